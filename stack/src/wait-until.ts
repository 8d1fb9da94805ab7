import { setTimeout as sleep } from "node:timers/promises";

/** How often a condition is asked, milliseconds. */
const INTERVAL_MS = 25;

/**
 * Waits until `condition` gives something other than undefined, and gives that.
 * @param what completes "… did not happen": part of the error's text.
 * @throws when the deadline has passed, or when the condition itself throws.
 */
export async function waitUntil<T>(
  what: string,
  deadlineMs: number,
  condition: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await sleep(INTERVAL_MS);
  }
}
