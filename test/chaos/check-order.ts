import type { CopyRecord, History, InputRecord } from "./history.ts";
import { causeBetween } from "./journal.ts";
import { wasOn } from "./rule-at.ts";

/** The latest event of a key that has arrived in a plugin's lane. */
interface Latest {
  readonly rank: number;
  readonly copy: CopyRecord;
}

/**
 * First arrivals of a key's events in a plugin's lane must stand as in `responses`; by partition, for keys may move. Those
 * that were parked come late, and behind what was written directly meanwhile: their order is held among themselves.
 *
 * At-least-once, two cases are right all the same. A router finds the plugin off for an event, then on for a later one of the
 * key, and is killed before either is committed. Both are read again, and now both find it on: the earlier event, which was
 * not for the plugin the first time, arrives for the first time behind the later one. The rule in force when an event is
 * routed decides, and nobody remembers what it decided before; so these are counted apart. Likewise with a quota: the earlier
 * event took live the first time, and was killed on its way there; read again, it takes bulk behind the later one, or the
 * other way round. Exactly-once knows no such case:
 * what is read again left nothing behind.
 */
export function checkOrder(history: History): { orderBreaks: string[]; overtakenByRule: number } {
  const places = new Map<string, { readonly series: string; readonly rank: number; readonly input: InputRecord }>();
  const firstOf = new Map<string, number>();
  for (const input of history.inputs) {
    const rank = firstOf.get(input.id) ?? input.offset;
    firstOf.set(input.id, rank);
    places.set(input.origin, { series: `${input.partition} ${input.key}`, rank, input });
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
    const series = `${copy.plugin} ${copy.lane} ${place.series}${parked.has(copy.delivery) ? " returned" : ""}`;
    const before = latest.get(series);
    if (before === undefined || place.rank >= before.rank) latest.set(series, { rank: place.rank, copy });
    else if (mayBeOvertaken(history, place.input, copy, before.copy)) overtakenByRule += 1;
    else orderBreaks.push(`${copy.plugin} ${copy.origin}`);
  }
  return { orderBreaks, overtakenByRule };
}

/** Whether what was decided of the event may have been another before its overtaker, and both were read again. */
function mayBeOvertaken(history: History, input: InputRecord, copy: CopyRecord, overtaker: CopyRecord): boolean {
  const { delivery, enabled, limited, disturbances } = history;
  const ruled =
    enabled[input.team]?.includes(copy.plugin) !== true &&
    !wasOn(history, input.team, copy.plugin, input.appendedAt, overtaker.routedAt);
  return (
    delivery === "at-least-once" &&
    (ruled || limited[input.team]?.includes(copy.plugin) === true) &&
    copy.routedAt > overtaker.routedAt &&
    causeBetween(disturbances, overtaker.appendedAt, copy.appendedAt) !== undefined
  );
}
