import { deliveryId, type Lane } from "@plugboard/contract";
import { checkDuplicates } from "./check-duplicates.ts";
import { checkOrder } from "./check-order.ts";
import type { CopyRecord, Findings, History, InputRecord } from "./history.ts";
import { ruleAt } from "./rule-at.ts";

/** Holds what is in the topics against what had to be there. */
export function checkHistory(history: History): Findings {
  const byOrigin = new Map<string, CopyRecord[]>();
  for (const copy of history.copies) {
    const copies = byOrigin.get(copy.origin);
    if (copies === undefined) byOrigin.set(copy.origin, [copy]);
    else copies.push(copy);
  }
  const stored = new Set(history.inputs.map(({ id }) => id));
  return {
    neverStored: [...history.acknowledged].filter((id) => !stored.has(id)),
    ...checkRouting(history, byOrigin),
    ...checkOrder(history),
    ...checkDuplicates(history),
    deadLetterErrors: deadLetterErrors(history),
  };
}

function checkRouting(history: History, byOrigin: ReadonlyMap<string, readonly CopyRecord[]>) {
  const lost: string[] = [];
  const notReturned: string[] = [];
  const backlog: string[] = [];
  const misrouted: string[] = [];
  const wrongLane: string[] = [];
  const wrongIdentity: string[] = [];
  const known = new Set<string>();
  const ruled = [...new Set(history.changes.map(({ team, plugin }) => `${team} ${plugin}`))];
  for (const input of history.inputs) {
    known.add(input.origin);
    if (input.poison !== undefined) {
      if (!isCommitted(history, input) && !history.deadLetters.includes(input.origin)) backlog.push(input.origin);
      continue;
    }
    const copies = byOrigin.get(input.origin) ?? [];
    const routedAt = copies.filter(({ plugin }) => plugin === history.steadyPlugin).map((copy) => copy.routedAt);
    const wanted = new Set(history.enabled[input.team]);
    for (const pair of ruled) {
      const [team, plugin = ""] = pair.split(" ");
      if (
        team === input.team &&
        routedAt.length > 0 &&
        routedAt.every((at) => ruleAt(history, team, plugin, at) === "on")
      )
        wanted.add(plugin);
    }
    const got = new Set(copies.map(({ plugin }) => plugin));
    for (const plugin of wanted)
      if (!got.has(plugin) && !wentWithItsTopic(history, plugin, input))
        (isCommitted(history, input) ? lost : backlog).push(`${plugin} ${input.origin}`);
    const there = new Set(copies.filter(({ parked }) => !parked).map(({ plugin }) => plugin));
    for (const plugin of got)
      if (!there.has(plugin) && !wentWithItsTopic(history, plugin, input))
        notReturned.push(`${plugin} ${input.origin}`);
    for (const copy of copies) {
      if (!mayHave(history, input, copy)) misrouted.push(`${copy.plugin} ${input.origin}`);
      if (!lanesOf(history, input, copy.plugin).includes(copy.lane))
        wrongLane.push(`${copy.plugin} ${copy.lane} ${input.origin}`);
      const identity = deliveryId(input.team, copy.plugin, history.source, input.id);
      if (copy.delivery !== identity || copy.team !== input.team) wrongIdentity.push(`${copy.plugin} ${input.origin}`);
    }
  }
  for (const [origin, copies] of byOrigin)
    if (!known.has(origin)) for (const { plugin } of copies) misrouted.push(`${plugin} ${origin} of no event`);
  return { lost, notReturned, backlog, misrouted, wrongLane, wrongIdentity };
}

function mayHave(history: History, { team }: InputRecord, { plugin, routedAt }: CopyRecord): boolean {
  if (history.enabled[team]?.includes(plugin)) return true;
  return ruleAt(history, team, plugin, routedAt) !== "off";
}

/** The lanes that are right: with a quota, what it does not let through takes bulk. */
function lanesOf({ limited }: History, { team, priority }: InputRecord, plugin: string): readonly Lane[] {
  if (priority === "bulk") return ["bulk"];
  const own = priority === "urgent" ? "priority" : "live";
  return limited[team]?.includes(plugin) === true ? [own, "bulk"] : [own];
}

function isCommitted({ committed }: History, { partition, offset }: InputRecord): boolean {
  return offset < (committed.get(partition) ?? 0);
}

function wentWithItsTopic({ deletions }: History, plugin: string, input: InputRecord): boolean {
  return deletions.some((deletion) => deletion.plugin === plugin && input.appendedAt <= deletion.until);
}

function deadLetterErrors(history: History): string[] {
  const { inputs, deadLetters, poison } = history;
  const poisoned = new Map(
    inputs.flatMap(({ origin, poison: value }) => (value === undefined ? [] : [[origin, value]])),
  );
  const dead = new Set(deadLetters);
  const values = new Set(poisoned.values());
  return [
    ...[...dead].filter((origin) => !poisoned.has(origin)).map((origin) => `${origin} is no poison`),
    ...inputs
      .filter((input) => input.poison !== undefined && !dead.has(input.origin) && isCommitted(history, input))
      .map(({ origin }) => `${origin} is no dead letter`),
    ...poison.filter((value) => !values.has(value)).map((value) => `${value} was never stored`),
  ];
}
