import type { Clock } from "@plugboard/runtime";

/** Between two looks at the counters, milliseconds, and how many are kept: a minute. */
const LOOK_MS = 5_000;
const LOOKS_MAX = 13;

/** What was counted since the process started. */
interface Totals {
  readonly records: number;
  readonly copies: number;
}

/** Rates of the last minute, from looks at the counters that there are anyway: nothing is done per record. */
export class Throughput {
  readonly #totals: () => Promise<Totals>;
  readonly #clock: Clock;
  readonly #stopped = new AbortController();
  readonly #looks: (Totals & { readonly atMs: number })[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(totals: () => Promise<Totals>, clock: Clock) {
    this.#totals = totals;
    this.#clock = clock;
  }

  start(): void {
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#work;
  }

  /** From the oldest look that is kept until now; null before there is one. */
  async current(): Promise<{ overSeconds: number; recordsPerSecond: number; copiesPerSecond: number } | null> {
    const [first] = this.#looks;
    if (first === undefined) return null;
    const { records, copies } = await this.#totals();
    const overSeconds = (this.#clock.monotonic() - first.atMs) / 1_000;
    if (overSeconds < 1) return null;
    return {
      overSeconds,
      recordsPerSecond: (records - first.records) / overSeconds,
      copiesPerSecond: (copies - first.copies) / overSeconds,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      this.#looks.push({ ...(await this.#totals()), atMs: this.#clock.monotonic() });
      if (this.#looks.length > LOOKS_MAX) this.#looks.shift();
      await this.#clock.sleep(LOOK_MS, signal).catch(() => {});
    }
  }
}
