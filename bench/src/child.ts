import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot, type Supervised, supervise, waitUntil } from "@plugboard/stack";

/** How much of a process's output an error shows. */
const LOG_TAIL_CHARS = 4_000;
const READY_MS = 60_000;

/** A process of a run; its output goes to a file. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly supervised: Supervised;
  log(): string;
  /** @throws with its last words when it has ended. */
  assertRunning(): void;
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Its whole environment beside PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly cwd?: string;
}

let started = 0;

export async function startChild(options: ChildOptions): Promise<Child> {
  const { PATH = "", HOME = "" } = process.env;
  const file = join(options.directory, `${options.name}-${started++}.log`);
  const supervised = await supervise({
    command: options.command,
    args: options.args,
    cwd: options.cwd ?? projectRoot(),
    env: { PATH, HOME, ...options.env },
    output: { file },
  });
  const log = () => readFileSync(file, "utf8");
  return {
    name: options.name,
    pid: supervised.pid,
    supervised,
    log,
    assertRunning: () => {
      if (!supervised.isRunning()) throw new Error(`${options.name} ended:\n${log().slice(-LOG_TAIL_CHARS)}`);
    },
    end: async (signal = "SIGTERM") => {
      await supervised.end(signal);
      return await supervised.exited;
    },
  };
}

/** Node of this project, whatever the machine's own is. */
export const nodeCommand = (): string => process.execPath;

/** Waits until a process of Plugboard says that it is ready. */
export async function untilReady(child: Child, url: string): Promise<void> {
  await waitUntil(`${child.name} is ready`, READY_MS, async () => {
    child.assertRunning();
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
    return answer?.ok || undefined;
  });
}
