import { join } from "node:path";
import { compileCache, type Supervised, supervise, waitUntil } from "@plugboard/stack";

/** One process of the installation as an operator has it: an address, a log file, and signals. */
export interface ServiceOptions {
  readonly name: string;
  /** Its main file, from the checkout's root. */
  readonly entry: string;
  /** The checkout it runs from. */
  readonly root: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  /** More flags of node, of each start. */
  readonly nodeFlags?: readonly string[];
  readonly logFile: string;
}

const READY_MS = 180_000;
const ASK_MS = 3_000;
/** How long a process may drain before it is killed: a little over what it allows itself. */
const DRAIN_MS = 30_000;

/** A process that can be killed, frozen and started again under its address; its log goes on in one file. */
export class Service {
  readonly name: string;
  readonly url: string;
  readonly logFile: string;
  readonly #options: ServiceOptions;
  #root: string;
  #running: Supervised | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#root = options.root;
    this.name = options.name;
    this.logFile = options.logFile;
    this.url = `http://127.0.0.1:${options.port}`;
  }

  get port(): number {
    return this.#options.port;
  }

  /** From its next start on it runs from that checkout. */
  moveTo(root: string): void {
    this.#root = root;
  }

  /**
   * Starts it; does not wait until it is ready.
   * @param overrides variables of this start only.
   * @param nodeFlags more flags of this start only.
   */
  async launch(overrides: Readonly<Record<string, string>> = {}, nodeFlags: readonly string[] = []): Promise<void> {
    const { PATH = "", HOME = "" } = process.env;
    const own = this.#options.nodeFlags ?? [];
    this.#running = await supervise({
      command: process.execPath,
      args: ["--conditions=source", ...own, ...nodeFlags, join(this.#root, this.#options.entry)],
      cwd: this.#root,
      env: { PATH, HOME, ...compileCache(), ...this.#options.env, PORT: String(this.#options.port), ...overrides },
      output: { file: this.logFile },
    });
  }

  /** Starts it and waits until /readyz says so. */
  async start(overrides?: Readonly<Record<string, string>>, nodeFlags?: readonly string[]): Promise<void> {
    await this.launch(overrides, nodeFlags);
    await this.ready();
  }

  /** @throws when it ends or is not ready in time, with what /readyz said last. */
  async ready(): Promise<void> {
    let last = "nothing";
    await waitUntil(`${this.name} is ready`, READY_MS, async () => {
      if (!this.isRunning()) throw new Error(`${this.name} ended: see ${this.logFile}`);
      const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(ASK_MS) }).catch(() => undefined);
      last = (await answer?.text().catch(() => undefined)) ?? last;
      return answer?.ok || undefined;
    }).catch((error: Error) => {
      throw new Error(`${error.message}; /readyz said ${last}`);
    });
  }

  isRunning(): boolean {
    return this.#running?.isRunning() ?? false;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#running?.end(signal, DRAIN_MS);
  }

  async freeze(): Promise<void> {
    await this.#running?.freeze();
  }

  resume(): void {
    this.#running?.child.kill("SIGCONT");
  }

  /** One of its metrics by name, over all labels; 0 when there is none, or no answer. */
  async metric(name: string): Promise<number> {
    const answer = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(ASK_MS) }).catch(() => undefined);
    const text = (await answer?.text().catch(() => "")) ?? "";
    const values = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }
}
