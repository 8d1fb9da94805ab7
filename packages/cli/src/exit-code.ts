import type { ProblemDocument } from "@plugboard/contract";

/** What the shell is told; `plugboard --help` says so, too. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with a message for people and a code for scripts. */
export class CommandFailed extends Error {
  readonly exitCode: ExitCode;
  /** What the manager answered, when it was the manager who refused. */
  readonly problem: ProblemDocument | undefined;

  constructor(exitCode: ExitCode, message: string, problem?: ProblemDocument) {
    super(message);
    this.name = "CommandFailed";
    this.exitCode = exitCode;
    this.problem = problem;
  }
}
