import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** Time between two lines about one lasting trouble, milliseconds. */
const QUIET_MS = 60_000;

/** Logs the first of a row of failures, and then one a minute with how many there were. */
export class SparseLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #lastAt = Number.NEGATIVE_INFINITY;
  #since = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** @param count of how many failures this call tells. */
  warn(fields: Record<string, unknown>, message: string, count = 1): void {
    this.#since += count;
    const now = this.#clock.monotonic();
    if (now - this.#lastAt < QUIET_MS) return;
    this.#logger.warn({ ...fields, times: this.#since }, message);
    this.#lastAt = now;
    this.#since = 0;
  }
}
