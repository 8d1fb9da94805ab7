import { setTimeout as delay } from "node:timers/promises";

/** Time as the domain sees it, so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970, wall clock: for time stamps. */
  now(): number;
  /** Milliseconds, never going back: for durations and deadlines. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
};
