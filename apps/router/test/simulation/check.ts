import { deliveryId, type PluginEntry, type TeamEntry } from "@plugboard/contract";
import { chooseLane, decideRoute } from "@plugboard/routing-table";
import type { ControlPlane } from "./control-plane.ts";
import type { Copy, History } from "./history.ts";
import { EVENTS_TOPIC } from "./names.ts";
import { STALE_AFTER_MS } from "./simulated-router.ts";
import { type Input, PLUGINS, SOURCE, TEAM_WITH_QUOTA } from "./workload.ts";

/** How far Redis may be behind the manager: a relay, or a Redis that lost something and is not rebuilt yet. */
const BEHIND_MS = 500;
/** How old a rule may be that an event is routed by. */
export const RULE_AGE_MS_MAX = STALE_AFTER_MS + BEHIND_MS;

export interface Facts {
  readonly history: History;
  readonly inputs: readonly Input[];
  readonly controlPlane: ControlPlane;
  /** The longest that a machine was suspended: for so much longer, its router took its table for fresh. */
  readonly suspendedMsMax: number;
  /** Whether topics or brokers failed, so that copies may be parked. */
  readonly mayPark: boolean;
}

export interface Findings {
  readonly broken: string[];
  readonly repeated: number;
  readonly parked: number;
  readonly overtakenByRule: number;
}

/** Holds what is in the topics against what had to be there. Everything in `broken` is a broken promise. */
export function check(facts: Facts): Findings {
  const { history, inputs } = facts;
  const broken = [...history.broken];
  const byOrigin = new Map(inputs.map((input) => [originOf(input), input]));
  const ofInput = new Map<string, Copy[]>();
  for (const copy of history.copies) {
    const input = byOrigin.get(copy.origin);
    const problem = input === undefined ? "of no event" : problemOf(copy, input, facts);
    if (problem !== null) broken.push(`misrouted: ${told(copy)}: ${problem}`);
    const key = `${copy.origin} ${copy.plugin}`;
    const known = ofInput.get(key);
    if (known === undefined) ofInput.set(key, [copy]);
    else known.push(copy);
  }
  for (const input of inputs) broken.push(...missing(input, ofInput, facts));
  broken.push(...wrongDeadLetters(byOrigin, facts));
  const repeated = checkRepeated(ofInput, history, broken);
  const overtakenByRule = checkOrder(byOrigin, facts, broken);
  const parked = history.copies.filter((copy) => copy.parked).length;
  if (parked > 0 && !facts.mayPark) broken.push(`parked: ${parked} copies, though every topic could be written`);
  return { broken, repeated, parked, overtakenByRule };
}

function originOf({ partition, offset }: Pick<Input, "partition" | "offset">): string {
  return `${EVENTS_TOPIC}/${partition}/${offset}`;
}

function told({ at, origin, topic, parked, router }: Copy): string {
  return `${origin} in ${topic}${parked ? " (parked)" : ""} at ${at.toFixed(1)} by ${router}`;
}

/** What the rules said about an event and a plugin within some time: for each that was in force, whether it is wanted. */
function wantedBetween(
  { team, type }: Input,
  plugin: string,
  from: number,
  to: number,
  controlPlane: ControlPlane,
): boolean[] {
  if (team === null) return [false];
  const event = { teamId: team, type, id: "", source: SOURCE, formId: null };
  const wanted = (entry: TeamEntry | null, known: PluginEntry | null): boolean => {
    const route = entry?.plugins.find(({ id }) => id === plugin);
    if (route === undefined || known === null) return false;
    const question = { route, plugin: known, event, data: () => ({}), path: "async" } as unknown;
    return decideRoute(question as Parameters<typeof decideRoute>[0]).kind === "routed";
  };
  const entries = controlPlane.teamBetween(team, from, to);
  const known = controlPlane.pluginBetween(plugin, from, to);
  return entries.flatMap((entry) => known.map((plug) => wanted(entry, plug)));
}

function problemOf(copy: Copy, input: Input, { controlPlane, suspendedMsMax }: Facts): string | null {
  const { team, id, type } = input;
  if (team === null) return "of a record that is no event";
  if (copy.team !== team || !copy.value.startsWith(id)) return "it is another event's";
  if (copy.deliveryId !== deliveryId(team, copy.plugin, SOURCE, id)) return "wrong delivery id";
  if (copy.key !== input.key) return "wrong key";
  const from = input.at - RULE_AGE_MS_MAX - suspendedMsMax;
  const wanted = wantedBetween(input, copy.plugin, from, copy.at, controlPlane);
  if (!wanted.includes(true)) return "the team had no such plugin for it";
  const entry = controlPlane.plugin(copy.plugin);
  if (entry === undefined) return "there is no such plugin";
  const lane = chooseLane({ type, priority: null } as Parameters<typeof chooseLane>[0], entry);
  const usual = lane === "live" ? `plugin.${copy.plugin}` : `plugin.${copy.plugin}.${lane}`;
  const allowed = team === TEAM_WITH_QUOTA ? [usual, `plugin.${copy.plugin}.bulk`] : [usual];
  return allowed.includes(copy.topic) ? null : `it belongs in ${allowed.join(" or ")}`;
}

/** Copies that had to be there, or had to be there before their event's offset was committed. */
function missing(input: Input, ofInput: ReadonlyMap<string, readonly Copy[]>, facts: Facts): string[] {
  const { controlPlane, history, suspendedMsMax } = facts;
  const origin = originOf(input);
  const commit = history.firstCommits.get(input.partition)?.find(({ offset }) => offset > input.offset);
  // Told of as "stuck", once for all of them.
  if (commit === undefined) return [];
  const from = input.at - RULE_AGE_MS_MAX - suspendedMsMax;
  return PLUGINS.flatMap((plugin) => {
    if (wantedBetween(input, plugin, from, commit.at, controlPlane).includes(false)) return [];
    const first = ofInput.get(`${origin} ${plugin}`)?.[0];
    if (first === undefined) return [`lost: ${origin} (${input.id}) of team ${input.team} for ${plugin}`];
    if (first.at <= commit.at) return [];
    return [`committed before it was written: ${told(first)}, committed at ${commit.at.toFixed(1)}`];
  });
}

function wrongDeadLetters(byOrigin: ReadonlyMap<string, Input>, { history, inputs }: Facts): string[] {
  const found = new Set(history.deadLetters.map(({ origin }) => origin));
  const wrong = [...found].filter((origin) => byOrigin.get(origin)?.team !== null);
  const lost = inputs.filter((input) => input.team === null && !found.has(originOf(input)));
  return [
    ...wrong.map((origin) => `wrong dead letter: ${origin}`),
    ...lost.map((input) => `lost: the dead letter of ${originOf(input)}`),
  ];
}

/** @returns how many copies came again. Each must have something between it and the one before that explains it. */
function checkRepeated(ofInput: ReadonlyMap<string, readonly Copy[]>, history: History, broken: string[]): number {
  let repeated = 0;
  for (const copies of ofInput.values())
    for (const [index, copy] of copies.entries()) {
      const before = copies[index - 1];
      if (before === undefined) continue;
      repeated += 1;
      const explained = history.disturbances.some(({ at, untilMs }) => at <= copy.at && untilMs >= before.at - 1);
      if (!explained) broken.push(`repeated without a cause: ${told(copy)}, before that at ${before.at.toFixed(1)}`);
    }
  return repeated;
}

/**
 * First arrivals of a key's events must come as they stand in the topic of events: those in a plugin's topic, and those
 * that were parked for it. What is parked stays there: its return is not simulated.
 * @returns how many came late because the rule changed and they were read again (docs/guarantees.md).
 */
function checkOrder(byOrigin: ReadonlyMap<string, Input>, facts: Facts, broken: string[]): number {
  const latest = new Map<string, { readonly input: Input; readonly copy: Copy }>();
  const seen = new Set<string>();
  let overtaken = 0;
  for (const copy of facts.history.copies) {
    const input = byOrigin.get(copy.origin);
    const arrival = `${copy.origin} ${copy.topic}`;
    if (input === undefined || seen.has(arrival)) continue;
    seen.add(arrival);
    const lane = `${copy.topic} ${copy.parked} ${input.partition} ${copy.key}`;
    const before = latest.get(lane);
    if (before === undefined || before.input.offset < input.offset) latest.set(lane, { input, copy });
    else if (mayBeOvertaken(input, copy, before.copy, facts)) overtaken += 1;
    else broken.push(`out of order: ${told(copy)} behind ${told(before.copy)}`);
  }
  return overtaken;
}

/** Whether the rule may have been off when the event was first routed, or sent it to another lane. */
function mayBeOvertaken(input: Input, copy: Copy, overtaker: Copy, facts: Facts): boolean {
  if (input.team === TEAM_WITH_QUOTA) return true;
  const from = input.at - RULE_AGE_MS_MAX - facts.suspendedMsMax;
  return wantedBetween(input, copy.plugin, from, overtaker.at, facts.controlPlane).includes(false);
}
