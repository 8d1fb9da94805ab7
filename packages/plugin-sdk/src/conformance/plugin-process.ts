import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { ProcessDescription } from "./plugin-description.ts";

/** What of a process's output is kept, in characters. */
const OUTPUT_LENGTH_MAX = 1024 * 1024;

/** A process of the plugin. It leads a group of its own, so that a signal reaches what it may have started as well. */
export class PluginProcess {
  /** Its exit status; null after a signal. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  #output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.exited = new Promise((resolve) => child.once("exit", resolve));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_LENGTH_MAX);
      });
    }
  }

  static async start(
    { command, args, cwd }: ProcessDescription,
    environment: Readonly<Record<string, string>>,
  ): Promise<PluginProcess> {
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(command, args, {
      ...(cwd !== undefined && { cwd }),
      env: { PATH, HOME, ...environment },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const started = new PluginProcess(child);
    // Whoever runs the suite may end in the midst of it: the plugin does not go on alone.
    const end = () => started.signal("SIGKILL");
    process.once("exit", end);
    child.once("exit", () => process.removeListener("exit", end));
    await once(child, "spawn");
    return started;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it has written to standard output and standard error. */
  get output(): string {
    return this.#output;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.isRunning || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** As a machine that loses its power. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }
}
