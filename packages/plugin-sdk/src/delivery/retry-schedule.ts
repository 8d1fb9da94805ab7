import { ExponentialBackoff, halfJitterGenerator } from "cockatiel";

/** Limits of retrying one delivery. */
export interface RetryLimits {
  readonly delayMs: number;
  readonly delayMsMax: number;
  readonly attemptsMax: number;
  readonly ageMsMax: number;
}

/**
 * How long to wait after failed attempt number `attempt` (from 1): doubling, with jitter over the upper half, so that
 * what failed together does not come back together.
 */
export function retryDelayMs(attempt: number, { delayMs, delayMsMax }: RetryLimits): number {
  let backoff = new ExponentialBackoff({
    generator: halfJitterGenerator,
    initialDelay: delayMs,
    maxDelay: delayMsMax,
  }).next();
  for (let count = 1; count < attempt; count += 1) backoff = backoff.next(undefined);
  return backoff.duration;
}
