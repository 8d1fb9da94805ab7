import { deliveryId } from "@plugboard/contract";
import { chooseLane } from "@plugboard/routing-table";
import { checkOrder } from "./check-order.ts";
import { checkOwners } from "./check-owners.ts";
import { checkRepeated } from "./check-repeated.ts";
import { checkReturned } from "./check-returned.ts";
import { type Facts, originOf, ruleSince, told, wantedBetween } from "./facts.ts";
import type { Copy } from "./history.ts";
import { type Input, PLUGINS, SOURCE, TEAM_WITH_QUOTA } from "./workload.ts";

export interface Findings {
  readonly broken: string[];
  readonly repeated: number;
  readonly parked: number;
  readonly overtakenByRule: number;
}

/** Holds what committed readers see in the topics against what had to be there. Everything in `broken` is a broken promise. */
export function check(facts: Facts): Findings {
  const { history, inputs } = facts;
  const broken = [...history.broken];
  const byOrigin = new Map(inputs.map((input) => [originOf(input), input]));
  const visible = history.copies.filter((copy) => copy.visible);
  const ofInput = Map.groupBy(visible, ({ origin, plugin }) => `${origin} ${plugin}`);
  for (const copy of visible) {
    const input = byOrigin.get(copy.origin);
    const problem = input === undefined ? "of no event" : problemOf(copy, input, facts);
    if (problem !== null) broken.push(`misrouted: ${told(copy)}: ${problem}`);
  }
  for (const input of inputs) broken.push(...missing(input, ofInput, facts));
  broken.push(...wrongDeadLetters(byOrigin, facts));
  broken.push(...checkReturned(visible));
  broken.push(...checkOwners(visible, facts));
  const repeated = checkRepeated(visible, facts, broken);
  const overtakenByRule = checkOrder(visible, byOrigin, facts, broken);
  const parked = visible.filter((copy) => copy.parked).length;
  if (parked > 0 && !facts.mayPark) broken.push(`parked: ${parked} copies, though every topic could be written`);
  return { broken, repeated, parked, overtakenByRule };
}

function problemOf(copy: Copy, input: Input, facts: Facts): string | null {
  const { team, id, type } = input;
  if (team === null) return "of a record that is no event";
  if (copy.team !== team || !copy.value.startsWith(id)) return "it is another event's";
  if (copy.deliveryId !== deliveryId(team, copy.plugin, SOURCE, id)) return "wrong delivery id";
  if (copy.key !== input.key) return "wrong key";
  const wanted = wantedBetween(input, copy.plugin, ruleSince(input, facts), copy.at, facts);
  if (!wanted.includes(true)) return "the team had no such plugin for it";
  const entry = facts.controlPlane.plugin(copy.plugin);
  if (entry === undefined) return "there is no such plugin";
  const lane = chooseLane({ type, priority: null } as Parameters<typeof chooseLane>[0], entry);
  const usual = lane === "live" ? `plugin.${copy.plugin}` : `plugin.${copy.plugin}.${lane}`;
  const allowed = team === TEAM_WITH_QUOTA ? [usual, `plugin.${copy.plugin}.bulk`] : [usual];
  return allowed.includes(copy.topic) ? null : `it belongs in ${allowed.join(" or ")}`;
}

/** Copies that had to be there, or had to be there before their event's offset was committed. */
function missing(input: Input, ofInput: ReadonlyMap<string, readonly Copy[]>, facts: Facts): string[] {
  const origin = originOf(input);
  const commit = facts.history.firstCommits.get(input.partition)?.find(({ offset }) => offset > input.offset);
  // Told of as "stuck", once for all of them.
  if (commit === undefined) return [];
  return PLUGINS.flatMap((plugin) => {
    if (wantedBetween(input, plugin, ruleSince(input, facts), commit.at, facts).includes(false)) return [];
    const first = ofInput.get(`${origin} ${plugin}`)?.[0];
    if (first === undefined) return [`lost: ${origin} (${input.id}) of team ${input.team} for ${plugin}`];
    if (first.at <= commit.at) return [];
    return [`committed before it was written: ${told(first)}, committed at ${commit.at.toFixed(1)}`];
  });
}

function wrongDeadLetters(byOrigin: ReadonlyMap<string, Input>, { history, inputs, exactlyOnce }: Facts): string[] {
  const letters = history.deadLetters.filter(({ visible }) => visible);
  const found = new Set(letters.map(({ origin }) => origin));
  const wrong = [...found].filter((origin) => byOrigin.get(origin)?.team !== null);
  const lost = inputs.filter((input) => input.team === null && !found.has(originOf(input)));
  const twice = exactlyOnce && letters.length > found.size;
  return [
    ...wrong.map((origin) => `wrong dead letter: ${origin}`),
    ...lost.map((input) => `lost: the dead letter of ${originOf(input)}`),
    ...(twice ? [`repeated: ${letters.length} dead letters of ${found.size} records`] : []),
  ];
}
