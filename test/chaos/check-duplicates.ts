import type { CopyRecord, History } from "./history.ts";
import { causeBetween } from "./journal.ts";

/**
 * Copies that are there more than once, whatever their lanes; in a plugin's topics and in `router.parked`, each on its own: a
 * parked copy stays there when it has gone back. Each needs a cause, and what one cause repeats is bounded by what the routers
 * may have in flight: more would mean that offsets are not committed, or that reading began further back than they say.
 */
export function checkDuplicates({ copies, inputs, delivery, disturbances, inFlightBytesMax }: History) {
  const bytesOf = new Map(inputs.map(({ origin, bytes }) => [origin, bytes]));
  const firsts = new Map<string, number>();
  const seen = new Set<string>();
  const unexplainedDuplicates: string[] = [];
  /** The events that were repeated, by their cause. */
  const repeated = new Map<string, Set<string>>();
  let duplicates = 0;
  const inTime = [...copies].sort((a: CopyRecord, b: CopyRecord) => a.appendedAt - b.appendedAt);
  for (const copy of inTime) {
    const same = `${copy.plugin} ${copy.origin}`;
    // What had it parked twice had it returned twice, however much later. And what was on its way to a slow broker when its router lost
    // the partition is written after that, perhaps even after its repetition: so it counts when it was routed.
    const first = Math.min(firsts.get(same) ?? Number.POSITIVE_INFINITY, copy.routedAt);
    firsts.set(same, first);
    const place = `${copy.parked} ${same}`;
    if (!seen.has(place)) {
      seen.add(place);
      continue;
    }
    duplicates += 1;
    const cause = causeBetween(disturbances, first, copy.appendedAt);
    if (delivery === "exactly-once" || cause === undefined) {
      unexplainedDuplicates.push(same);
      continue;
    }
    const name = `${cause.what} at ${new Date(cause.at).toISOString()}`;
    repeated.set(name, (repeated.get(name) ?? new Set()).add(copy.origin));
  }
  const bytes = [...repeated].map(([cause, origins]) => ({
    cause,
    bytes: [...origins].reduce((sum, origin) => sum + (bytesOf.get(origin) ?? 0), 0),
  }));
  return {
    duplicates,
    unexplainedDuplicates,
    repeatedBytesMax: Math.max(0, ...bytes.map((each) => each.bytes)),
    repeatedTooMuch: bytes
      .filter((each) => each.bytes > inFlightBytesMax)
      .map((each) => `${each.bytes} bytes of events after ${each.cause}`),
  };
}
