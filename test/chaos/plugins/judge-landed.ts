import { causeBetween } from "../journal.ts";
import type { Broken, Case } from "./judge-effects.ts";
import { isLate } from "./judge-effects.ts";
import { PROMISED, type Promised } from "./roster.ts";
import type { Landed } from "./vendor.ts";

/** What a second effect is called, where none may be. */
const DOUBLED: Readonly<Record<Exclude<Promised, "at-least-once">, Broken>> = {
  "exactly-once": "doubled in a transaction",
  "at-most-once": "doubled though unsafe",
  "looked-up": "doubled though looked up",
};

/** A delivery's effects are there as often as its plugin promises. */
export function judgeLanded(one: Case): void {
  const { copy, row, landed, count, tell } = one;
  count.effects += landed.length;
  if (landed.length === 0) {
    if (row.outcome === "delivered") tell("delivered without effect");
    return;
  }
  if (!mayHaveLanded(one)) tell("effect of what was not delivered", `${landed.length}`);
  const promised = PROMISED[copy.kind];
  for (const [index, second] of landed.entries()) {
    const first = landed[index - 1];
    if (first === undefined) continue;
    if (first.key !== second.key) tell("repeated under another key", `${first.key}, ${second.key}`);
    if (promised === "at-least-once") judgeRepeated(one, first, second);
    else if (promised === "looked-up" && eitherLate(one, first, second)) count.late += 1;
    else tell(DOUBLED[promised], `${second.at - first.at} ms later, by ${first.instance} and ${second.instance}`);
  }
}

/** What ended otherwise than delivered has no effect, unless an attempt of it was cut short after the effect. */
function mayHaveLanded({ copy: { kind, doomed }, row: { outcome } }: Case): boolean {
  if (doomed) return false;
  if (outcome === "delivered") return true;
  if (outcome === "unknown") return PROMISED[kind] === "at-most-once";
  return outcome === "superseded" && (PROMISED[kind] === "at-least-once" || PROMISED[kind] === "looked-up");
}

/** The vendor cannot tell what it has yet to do, or a frozen process yet to send: either of two may be that. */
function eitherLate({ history }: Case, first: Landed, second: Landed): boolean {
  return isLate(first, history.freezes) || isLate(second, history.freezes);
}

/** A vendor that is late may get to the second call before it gets to the first. */
function judgeRepeated({ copy, history, count, tell }: Case, first: Landed, second: Landed): void {
  const sentAt = Math.min(first.sentAt, second.sentAt);
  const isTroubled = history.troubles.get(copy.id)?.some(({ at }) => at >= first.at - 1 && at <= second.at) === true;
  const isSpent = history.spent.get(copy.id)?.some(({ at }) => at >= sentAt && at <= second.at) === true;
  if (isTroubled || isSpent || causeBetween(history.disturbances, first.at, second.at) !== undefined)
    count.repeated += 1;
  else tell("repeated without cause", `${second.at - first.at} ms later, by ${first.instance} and ${second.instance}`);
}
