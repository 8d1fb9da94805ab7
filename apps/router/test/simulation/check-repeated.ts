import { type Facts, told } from "./facts.ts";
import type { Copy, Disturbance } from "./history.ts";

/**
 * Exactly once, a copy comes once. Else one that comes again must have something between it and the one before that explains
 * it: routed, or parked, twice; or returned more often than it was parked.
 * @returns how many came again.
 */
export function checkRepeated(visible: readonly Copy[], { history, exactlyOnce }: Facts, broken: string[]): number {
  const { disturbances, returnDisturbances } = history;
  const routed = Map.groupBy(
    visible.filter(({ returned }) => !returned),
    ({ origin, plugin }) => `${origin} ${plugin}`,
  );
  const parked = Map.groupBy(
    visible.filter((copy) => copy.parked),
    place,
  );
  const returned = Map.groupBy(
    visible.filter((copy) => copy.returned),
    place,
  );
  const causesOfReturns = exactlyOnce ? [] : [...disturbances, ...returnDisturbances];
  let repeated = 0;
  for (const copies of routed.values()) repeated += again(copies, 1, exactlyOnce ? [] : disturbances, broken);
  for (const [where, copies] of returned)
    repeated += again(copies, parked.get(where)?.length ?? 1, causesOfReturns, broken);
  return repeated;
}

function place({ origin, topic }: Copy): string {
  return `${origin} ${topic}`;
}

function again(copies: readonly Copy[], allowed: number, causes: readonly Disturbance[], broken: string[]): number {
  for (const [index, copy] of copies.entries()) {
    const before = copies[index - 1];
    if (before === undefined || index < allowed) continue;
    const explained = causes.some(({ at, untilMs }) => at <= copy.at && untilMs >= before.at - 1);
    if (!explained) broken.push(`repeated without a cause: ${told(copy)}, before that at ${before.at.toFixed(1)}`);
  }
  return Math.max(0, copies.length - allowed);
}
