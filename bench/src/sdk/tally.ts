import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a measured process is told besides its own settings. */
export const TALLY_VARIABLES = { directory: "BENCH_TALLY", serials: "BENCH_SERIALS" } as const;
/** Of the files in the tally's directory. */
export const TALLY_FILES = { progress: "progress.txt", counts: "counts.bin", arrivals: "arrivals.bin" } as const;

const TICK_MS = 100;
/** A count is kept in one byte. */
const COUNT_MAX = 255;

/**
 * What a consumer under measurement counts of itself, the same in plugins and in peers: each event by its serial, and every 100 ms a
 * line "milliseconds since the epoch, events handled so far". The counts are written as the process ends. A call costs an array access
 * and a clock, so that nobody is measured by it.
 */
export class Tally {
  readonly #counts: Uint8Array;
  /** When an event was handled first; NaN before. */
  readonly #arrivals: Float64Array;
  readonly #directory: string;
  #handled = 0;
  #told = -1;

  private constructor(directory: string, serials: number) {
    this.#directory = directory;
    this.#counts = new Uint8Array(serials);
    this.#arrivals = new Float64Array(serials).fill(Number.NaN);
  }

  /** @throws when the process was not started by a measurement. */
  static start(environment: NodeJS.ProcessEnv = process.env): Tally {
    const directory = environment[TALLY_VARIABLES.directory];
    const serials = Number(environment[TALLY_VARIABLES.serials]);
    if (directory === undefined || !Number.isInteger(serials))
      throw new Error(`${TALLY_VARIABLES.directory} and ${TALLY_VARIABLES.serials} have to be set`);
    const tally = new Tally(directory, serials);
    setInterval(() => tally.#tell(), TICK_MS).unref();
    process.once("exit", () => tally.#write());
    return tally;
  }

  /** @param eventId as the workload makes them: a letter and the serial. Any other counts as handled and has no place: that shows. */
  handled(eventId: string): void {
    const serial = Number(eventId.slice(1));
    const before = this.#counts[serial];
    this.#handled += 1;
    if (before === undefined) return;
    if (before === 0) this.#arrivals[serial] = performance.timeOrigin + performance.now();
    if (before < COUNT_MAX) this.#counts[serial] = before + 1;
  }

  #tell(): void {
    if (this.#handled === this.#told) return;
    this.#told = this.#handled;
    appendFileSync(join(this.#directory, TALLY_FILES.progress), `${Date.now()} ${this.#handled}\n`);
  }

  #write(): void {
    this.#tell();
    writeFileSync(join(this.#directory, TALLY_FILES.counts), this.#counts);
    writeFileSync(join(this.#directory, TALLY_FILES.arrivals), new Uint8Array(this.#arrivals.buffer));
  }
}
