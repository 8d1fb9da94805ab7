import { setTimeout as sleep } from "node:timers/promises";

/** The timer's own resolution: what is due is sent together. */
const TICK_MS = 1;

/** What is sent at a fixed rate. */
export interface Paced {
  /** Serials from `from` to below `to`. */
  readonly from: number;
  readonly to: number;
  /** When a serial is meant to be sent, on the monotonic clock; it grows with the serial. */
  readonly intendedAtMs: (serial: number) => number;
  /** Sends the serials from `from` to below `to`; sends do not wait for each other. */
  readonly send: (from: number, to: number) => Promise<void>;
  /** Ends it early; it goes on to the last one without. */
  readonly stopped?: () => boolean;
}

/**
 * Sends each serial when it is due, whatever comes back: an open loop.
 * @returns how late the load itself was, at worst, milliseconds. @throws what a send threw first; nothing more is sent then.
 */
export async function pacedSends({ from, to, intendedAtMs, send, stopped = () => false }: Paced): Promise<number> {
  const sends: Promise<void>[] = [];
  const failures: unknown[] = [];
  let delayMsMax = 0;
  for (let next = from; next < to && !stopped() && failures.length === 0; ) {
    const now = performance.now();
    let due = next;
    while (due < to && intendedAtMs(due) <= now) due++;
    if (due > next) {
      delayMsMax = Math.max(delayMsMax, now - intendedAtMs(next));
      sends.push(send(next, due).catch((error: unknown) => void failures.push(error)));
      next = due;
    }
    await sleep(TICK_MS);
  }
  await Promise.all(sends);
  if (failures.length > 0) throw failures[0];
  return delayMsMax;
}
