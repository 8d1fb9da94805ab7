import type { Clock, SparseLog } from "@plugboard/runtime";
import type { HandOver } from "../delivery/hand-over.ts";
import { handOverTogether, type WindowItem } from "./window-item.ts";

export interface ReliefParts {
  readonly handOver: HandOver;
  readonly clock: Clock;
  readonly log: SparseLog;
  readonly draining: AbortSignal;
}

/** How often a window under way is looked at. */
const LOOK_EVERY_MS = 100;
/** Records handed over in one statement; no window has more than its bytes. */
const HAND_OVER_RECORDS_MAX = 200;

/**
 * Hands over what would hold a window up, until the window is over: one after the other, so that a response's deliveries keep
 * their order.
 */
export async function relieveWindow(
  items: readonly WindowItem[],
  { clock, handOver, draining, log }: ReliefParts,
  halted: AbortSignal,
  over: AbortSignal,
): Promise<void> {
  const begun = clock.monotonic();
  const unplaced = items.filter((item) => item.unplaced);
  for (let at = 0; at < unplaced.length; at += HAND_OVER_RECORDS_MAX) {
    const some = unplaced.slice(at, at + HAND_OVER_RECORDS_MAX);
    if (halted.aborted || draining.aborted) for (const item of some) item.abandon();
    else await handOverTogether(some, handOver);
  }
  while (!over.aborted && !draining.aborted) {
    await clock.sleep(LOOK_EVERY_MS, over).catch(() => {});
    try {
      /** Of these responses an earlier delivery stays: a later one must not be stored before it. */
      const staying = new Set<string>();
      for (const item of items) {
        if (over.aborted || draining.aborted) return;
        if (!item.here || staying.has(item.order)) continue;
        if (handOver.wanted(item.team, clock.monotonic() - begun)) await item.handOver();
        if (item.here) staying.add(item.order);
      }
    } catch (error) {
      log.warn({ reason: (error as Error).message }, "late deliveries hold their window up; trying again");
    }
  }
}
