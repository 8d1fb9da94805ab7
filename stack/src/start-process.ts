import { join } from "node:path";
import { findExecutable } from "./find-executable.ts";
import { compileCache, projectRoot } from "./project-paths.ts";
import { supervise } from "./supervise.ts";
import { waitUntil } from "./wait-until.ts";

export interface ProcessOptions {
  /** The source to run, from the repository's root: "apps/router/src/main.ts". */
  readonly entry: string;
  /** The checkout it runs from; this one without it. */
  readonly root?: string;
  readonly args?: readonly string[];
  /** Its whole environment beside PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
  /** Shown in errors. */
  readonly name: string;
  readonly nodeFlags?: readonly string[];
}

/** One of the project's processes, run from its source. It does not outlive this process. */
export interface ServiceProcess {
  readonly pid: number;
  /** Its output so far, the last {@link LOG_CHARS_MAX} characters. */
  logs(): string;
  /** Sends a signal, by default SIGTERM, and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Sends a signal and does not wait, e.g. SIGSTOP. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit status, null after a signal. */
  readonly exited: Promise<number | null>;
  /** Waits until its output holds this; throws with the output when it ends or the deadline passes first. */
  waitForLog(pattern: RegExp, deadlineMs: number): Promise<void>;
}

const LOG_CHARS_MAX = 4 * 1024 * 1024;
/** How long a process may drain before it is killed: a little over what it allows itself. */
const DRAIN_MS = 30_000;

/** Starts a process of the project. Resolves when it runs, not when it is ready: ask its /readyz, or `waitForLog`. */
export async function startProcess(options: ProcessOptions): Promise<ServiceProcess> {
  const { PATH = "", HOME = "" } = process.env;
  const { root = projectRoot() } = options;
  const node = findExecutable("node", join(root, "node_modules", ".bin")) ?? process.execPath;
  const supervised = await supervise({
    command: node,
    args: ["--conditions=source", ...(options.nodeFlags ?? []), join(root, options.entry), ...(options.args ?? [])],
    cwd: root,
    env: { PATH, HOME, ...compileCache(), ...options.env },
    output: "pipe",
  });
  let output = "";
  const keep = (chunk: string) => {
    output = (output + chunk).slice(-LOG_CHARS_MAX);
  };
  supervised.child.stdout?.setEncoding("utf8").on("data", keep);
  supervised.child.stderr?.setEncoding("utf8").on("data", keep);
  return {
    pid: supervised.pid,
    logs: () => output,
    kill: (signal = "SIGTERM") => supervised.end(signal, DRAIN_MS),
    signal: (signal) => {
      supervised.child.kill(signal);
    },
    exited: supervised.exited,
    waitForLog: async (pattern, deadlineMs) => {
      try {
        await waitUntil(`${options.name} logs ${pattern}`, deadlineMs, () => {
          if (pattern.test(output)) return true;
          if (!supervised.isRunning()) throw new Error(`${options.name} ended`);
          return undefined;
        });
      } catch (error) {
        throw new Error(`${(error as Error).message}; its output:\n${output.slice(-8000)}`);
      }
    },
  };
}
