import type { CopyRecord, History, InputRecord } from "./check-history.ts";
import { disturbedBetween } from "./journal.ts";
import { wasOn } from "./rule-at.ts";

/** The latest event of a key that has arrived in a plugin's topic. */
interface Latest {
  readonly rank: number;
  readonly copy: CopyRecord;
}

/**
 * First arrivals of a key's events in a plugin's topic must stand as in `responses`; by partition, for keys may move. Those
 * that were parked come late, and behind what was written directly meanwhile: their order is held among themselves.
 *
 * At-least-once, one case is right all the same. A router finds the plugin off for an event, then on for a later one of the
 * key, and is killed before either is committed. Both are read again, and now both find it on: the earlier event, which was
 * not for the plugin the first time, arrives for the first time behind the later one. The rule in force when an event is
 * routed decides, and nobody remembers what it decided before; so these are counted apart. Exactly-once knows no such case:
 * what is read again left nothing behind.
 */
export function checkOrder(history: History): { orderBreaks: string[]; overtakenByRule: number } {
  const places = new Map<string, { readonly lane: string; readonly rank: number; readonly input: InputRecord }>();
  const firstOf = new Map<string, number>();
  for (const input of history.inputs) {
    const rank = firstOf.get(input.id) ?? input.offset;
    firstOf.set(input.id, rank);
    places.set(input.origin, { lane: `${input.partition} ${input.key}`, rank, input });
  }
  const parked = new Set(history.copies.filter((copy) => copy.parked).map((copy) => copy.delivery));
  const latest = new Map<string, Latest>();
  const seen = new Set<string>();
  const orderBreaks: string[] = [];
  let overtakenByRule = 0;
  for (const copy of history.copies) {
    const place = places.get(copy.origin);
    if (copy.parked || place === undefined || seen.has(copy.delivery)) continue;
    seen.add(copy.delivery);
    const lane = `${copy.plugin} ${place.lane}${parked.has(copy.delivery) ? " returned" : ""}`;
    const before = latest.get(lane);
    if (before === undefined || place.rank >= before.rank) latest.set(lane, { rank: place.rank, copy });
    else if (mayBeOvertaken(history, place.input, copy, before.copy)) overtakenByRule += 1;
    else orderBreaks.push(`${copy.plugin} ${copy.origin}`);
  }
  return { orderBreaks, overtakenByRule };
}

/** Whether the rule may have been off when the event was routed before its overtaker, and both were read again. */
function mayBeOvertaken(history: History, input: InputRecord, copy: CopyRecord, overtaker: CopyRecord): boolean {
  const { delivery, enabled, disturbances } = history;
  return (
    delivery === "at-least-once" &&
    enabled[input.team]?.includes(copy.plugin) !== true &&
    copy.routedAt > overtaker.routedAt &&
    !wasOn(history, input.team, copy.plugin, input.appendedAt, overtaker.routedAt) &&
    disturbedBetween(disturbances, overtaker.appendedAt, copy.appendedAt)
  );
}
