import type { Clock } from "@plugboard/runtime";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. It begins at the machine's time. */
export class FakeClock implements Clock {
  readonly #begunAt = Date.now();
  readonly #sleepers = new Set<Sleeper>();
  #ms = 0;

  now(): number {
    return this.#begunAt + this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { at: this.#ms + ms, wake: resolve };
    const aborted = () => reject(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    this.#sleepers.add(sleeper);
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Moves it on, and wakes who has slept long enough. Backwards it does not go. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock moves on by 0 ms or more, not by ${ms}`);
    this.#ms += ms;
    for (const { at, wake } of this.#sleepers) if (at <= this.#ms) wake();
  }
}
