import { deliveryId } from "@plugboard/contract";
import { checkOrder } from "./check-order.ts";
import { type Disturbance, disturbedBetween, type FaultWindow, type RuleChange } from "./journal.ts";
import { ruleAt } from "./rule-at.ts";

/** One record of `responses`; an event unless it is poison. Times are the broker's, milliseconds since 1970. */
export interface InputRecord {
  /** `<topic>/<partition>/<offset>` */
  readonly origin: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly key: string;
  readonly team: string;
  readonly appendedAt: number;
  /** The value of a poison record, which must become a dead letter. */
  readonly poison?: string;
}

/** One record of a plugin's topic, or of `router.parked` (then with its target's plugin). */
export interface CopyRecord {
  readonly plugin: string;
  readonly partition: number;
  readonly offset: number;
  readonly origin: string;
  readonly delivery: string;
  readonly team: string;
  readonly appendedAt: number;
  readonly routedAt: number;
  readonly parked: boolean;
}

export interface History {
  readonly delivery: "at-least-once" | "exactly-once";
  readonly source: string;
  readonly inputs: readonly InputRecord[];
  /** By partition of `responses`, what the routers have committed: the rest they have not got to, or not settled. */
  readonly committed: ReadonlyMap<number, number>;
  /** Ids that Kafka acknowledged to the producer. */
  readonly acknowledged: ReadonlySet<string>;
  readonly copies: readonly CopyRecord[];
  /** Origins of the records in `responses.dlq`. */
  readonly deadLetters: readonly string[];
  /** Values of the poison records that were written. */
  readonly poison: readonly string[];
  readonly enabled: Readonly<Record<string, readonly string[]>>;
  /** Every team with a plugin has this one too: its copies say when an event was routed. */
  readonly steadyPlugin: string;
  readonly changes: readonly RuleChange[];
  readonly windows: readonly FaultWindow[];
  readonly disturbances: readonly Disturbance[];
  /** Copies of events that came before `until` went with the topic. */
  readonly deletions: readonly { readonly plugin: string; readonly until: number }[];
}

export interface Findings {
  /** Acknowledged to the producer and not in `responses`. */
  readonly neverStored: readonly string[];
  readonly lost: readonly string[];
  /** Parked, and not in the plugin's topic: still in `router.parked`, or lost on the way back. */
  readonly notReturned: readonly string[];
  /** Missing copies and dead letters of what no router has committed yet: late, and not lost. */
  readonly backlog: readonly string[];
  readonly misrouted: readonly string[];
  /** Copies with another identity than team, plugin, source and event give. */
  readonly wrongIdentity: readonly string[];
  readonly orderBreaks: readonly string[];
  /** First arrivals out of order that a change of the rule explains (see {@link checkOrder}). */
  readonly overtakenByRule: number;
  readonly duplicates: number;
  /** Repeated copies that no kill, freeze, lost leader or rewinding explains; with exactly-once all of them. */
  readonly unexplainedDuplicates: readonly string[];
  /** Dead letters that should not be, and poison that is none. */
  readonly deadLetterErrors: readonly string[];
}

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
      const identity = deliveryId(input.team, copy.plugin, history.source, input.id);
      if (copy.delivery !== identity || copy.team !== input.team) wrongIdentity.push(`${copy.plugin} ${input.origin}`);
    }
  }
  for (const [origin, copies] of byOrigin)
    if (!known.has(origin)) for (const { plugin } of copies) misrouted.push(`${plugin} ${origin} of no event`);
  return { lost, notReturned, backlog, misrouted, wrongIdentity };
}

function mayHave(history: History, { team }: InputRecord, { plugin, routedAt }: CopyRecord): boolean {
  if (history.enabled[team]?.includes(plugin)) return true;
  return ruleAt(history, team, plugin, routedAt) !== "off";
}

function isCommitted({ committed }: History, { partition, offset }: InputRecord): boolean {
  return offset < (committed.get(partition) ?? 0);
}

function wentWithItsTopic({ deletions }: History, plugin: string, input: InputRecord): boolean {
  return deletions.some((deletion) => deletion.plugin === plugin && input.appendedAt <= deletion.until);
}

/** In a plugin's topic and in `router.parked`, each on its own: a parked copy stays there when it has gone back. */
function checkDuplicates({ copies, delivery, disturbances }: History) {
  const firsts = new Map<string, number>();
  const seen = new Set<string>();
  const unexplainedDuplicates: string[] = [];
  let duplicates = 0;
  const inTime = [...copies].sort((a, b) => a.appendedAt - b.appendedAt);
  for (const copy of inTime) {
    const same = `${copy.plugin} ${copy.origin}`;
    // What had it parked twice had it returned twice, however much later.
    const first = firsts.get(same) ?? copy.appendedAt;
    firsts.set(same, first);
    const place = `${copy.parked} ${same}`;
    if (!seen.has(place)) {
      seen.add(place);
      continue;
    }
    duplicates += 1;
    if (delivery === "exactly-once" || !disturbedBetween(disturbances, first, copy.appendedAt))
      unexplainedDuplicates.push(same);
  }
  return { duplicates, unexplainedDuplicates };
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
