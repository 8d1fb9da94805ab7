import { type Facts, ruleSince, told, wantedBetween } from "./facts.ts";
import type { Copy } from "./history.ts";
import { type Input, TEAM_WITH_QUOTA } from "./workload.ts";

/**
 * First arrivals of a key's events must come as they stand in the topic of events: those in a plugin's topic, and those
 * that were parked for it.
 * @returns how many came late because the rule changed and they were read again (docs/guarantees.md); exactly once, none do.
 */
export function checkOrder(
  visible: readonly Copy[],
  byOrigin: ReadonlyMap<string, Input>,
  facts: Facts,
  broken: string[],
): number {
  const latest = new Map<string, { readonly input: Input; readonly copy: Copy }>();
  const seen = new Set<string>();
  let overtaken = 0;
  for (const copy of visible) {
    const input = byOrigin.get(copy.origin);
    const arrival = `${copy.origin} ${copy.topic}`;
    if (copy.returned || input === undefined || seen.has(arrival)) continue;
    seen.add(arrival);
    const lane = `${copy.topic} ${copy.parked} ${input.partition} ${copy.key}`;
    const before = latest.get(lane);
    if (before === undefined || before.input.offset < input.offset) latest.set(lane, { input, copy });
    else if (!facts.exactlyOnce && mayBeOvertaken(input, copy, before.copy, facts)) overtaken += 1;
    else broken.push(`out of order: ${told(copy)} behind ${told(before.copy)}`);
  }
  return overtaken;
}

/** Whether the rule may have been off when the event was first routed, or sent it to another lane. */
function mayBeOvertaken(input: Input, copy: Copy, overtaker: Copy, facts: Facts): boolean {
  if (input.team === TEAM_WITH_QUOTA) return true;
  return wantedBetween(input, copy.plugin, ruleSince(input, facts), overtaker.at, facts).includes(false);
}
