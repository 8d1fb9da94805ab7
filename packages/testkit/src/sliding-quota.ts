/** Counts requests per key in a sliding minute, as the vendors do: full means refused until old ones leave it. */
export class SlidingQuota {
  /** Requests allowed in a window; may be changed at any time. */
  limit: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #taken = new Map<string, number[]>();

  constructor(limit: number, windowMs: number, now: () => number = Date.now) {
    this.limit = limit;
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** Takes one, or says that the quota is used up. */
  take(key: string): boolean {
    const now = this.#now();
    const times = this.#taken.get(key) ?? [];
    while (times[0] !== undefined && times[0] <= now - this.#windowMs) times.shift();
    this.#taken.set(key, times);
    if (times.length >= this.limit) return false;
    if (Number.isFinite(this.limit)) times.push(now);
    return true;
  }

  /** Forgets what was taken: the next window begins. */
  reset(): void {
    this.#taken.clear();
  }
}
