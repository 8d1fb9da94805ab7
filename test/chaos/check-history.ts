import { deliveryId } from "@plugboard/contract";
import type { Disturbance, FaultWindow, RuleChange } from "./journal.ts";

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
  readonly misrouted: readonly string[];
  /** Copies with another identity than team, plugin, source and event give. */
  readonly wrongIdentity: readonly string[];
  readonly orderBreaks: readonly string[];
  readonly duplicates: number;
  /** Repeated copies that no kill, freeze, lost leader or rewinding explains; with exactly-once all of them. */
  readonly unexplainedDuplicates: readonly string[];
  /** Dead letters that should not be, and poison that is none. */
  readonly deadLetterErrors: readonly string[];
}

/** A change counts at the latest so long after its 200: a quarter of a second while healthy; the rest is a busy machine. */
const CHANGE_SLACK_MS = 2_000;
/** The table's bound on staleness while something fails, counted from when it is over. */
const STALENESS_MS = 6_000;
/** What a copy's first write may be ahead of the noted time of the kill that has it repeated. */
const NOTED_LATE_MS = 2_000;

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
    orderBreaks: orderBreaks(history),
    ...checkDuplicates(history),
    deadLetterErrors: deadLetterErrors(history),
  };
}

function checkRouting(history: History, byOrigin: ReadonlyMap<string, readonly CopyRecord[]>) {
  const lost: string[] = [];
  const misrouted: string[] = [];
  const wrongIdentity: string[] = [];
  const known = new Set<string>();
  const ruled = [...new Set(history.changes.map(({ team, plugin }) => `${team} ${plugin}`))];
  for (const input of history.inputs) {
    known.add(input.origin);
    if (input.poison !== undefined) continue;
    const copies = byOrigin.get(input.origin) ?? [];
    const routedAt = copies.filter(({ plugin }) => plugin === history.steadyPlugin).map((copy) => copy.routedAt);
    const wanted = new Set(history.enabled[input.team]);
    for (const pair of ruled) {
      const [team, plugin = ""] = pair.split(" ");
      if (team === input.team && routedAt.length > 0 && routedAt.every((at) => ruleAt(history, plugin, at) === "on"))
        wanted.add(plugin);
    }
    const got = new Set(copies.map(({ plugin }) => plugin));
    for (const plugin of wanted)
      if (!got.has(plugin) && !wentWithItsTopic(history, plugin, input)) lost.push(`${plugin} ${input.origin}`);
    for (const copy of copies) {
      if (!mayHave(history, input, copy)) misrouted.push(`${copy.plugin} ${input.origin}`);
      const identity = deliveryId(input.team, copy.plugin, history.source, input.id);
      if (copy.delivery !== identity || copy.team !== input.team) wrongIdentity.push(`${copy.plugin} ${input.origin}`);
    }
  }
  for (const [origin, copies] of byOrigin)
    if (!known.has(origin)) for (const { plugin } of copies) misrouted.push(`${plugin} ${origin} of no event`);
  return { lost, misrouted, wrongIdentity };
}

function mayHave(history: History, { team }: InputRecord, { plugin, routedAt }: CopyRecord): boolean {
  if (history.enabled[team]?.includes(plugin)) return true;
  const ruled = history.changes.some((change) => change.team === team && change.plugin === plugin);
  return ruled && ruleAt(history, plugin, routedAt) !== "off";
}

/** What a changing rule was at a time; `either` while a change was on its way. */
function ruleAt({ changes, windows }: History, plugin: string, at: number): "on" | "off" | "either" {
  let state: "on" | "off" = "off";
  for (const change of changes) {
    if (change.plugin !== plugin) continue;
    if (at < change.askedAt) break;
    if (at < inForceAt(change, windows)) return "either";
    state = change.enabled ? "on" : "off";
  }
  return state;
}

/** A change that fell into a fault may take until the fault is over, and the staleness bound on top. */
function inForceAt(change: RuleChange, windows: readonly FaultWindow[]): number {
  const during = windows.filter(
    ({ injectedAt, settledAt }) => injectedAt <= change.inForceAt + CHANGE_SLACK_MS && change.askedAt <= settledAt,
  );
  return Math.max(change.inForceAt + CHANGE_SLACK_MS, ...during.map(({ settledAt }) => settledAt + STALENESS_MS));
}

function wentWithItsTopic({ deletions }: History, plugin: string, input: InputRecord): boolean {
  return deletions.some((deletion) => deletion.plugin === plugin && input.appendedAt <= deletion.until);
}

/** First arrivals of a key's events in a plugin's topic must stand as in `responses`; by partition, for keys may move. */
function orderBreaks({ inputs, copies }: History): string[] {
  const places = new Map<string, { readonly lane: string; readonly rank: number }>();
  const firstOf = new Map<string, number>();
  for (const { id, origin, key, partition, offset } of inputs) {
    const rank = firstOf.get(id) ?? offset;
    firstOf.set(id, rank);
    places.set(origin, { lane: `${partition} ${key}`, rank });
  }
  const last = new Map<string, number>();
  const seen = new Set<string>();
  const broken: string[] = [];
  for (const copy of copies) {
    const place = places.get(copy.origin);
    if (copy.parked || place === undefined || seen.has(copy.delivery)) continue;
    seen.add(copy.delivery);
    const lane = `${copy.plugin} ${place.lane}`;
    if (place.rank < (last.get(lane) ?? -1)) broken.push(`${copy.plugin} ${copy.origin}`);
    last.set(lane, Math.max(place.rank, last.get(lane) ?? -1));
  }
  return broken;
}

function checkDuplicates({ copies, delivery, disturbances }: History) {
  const firsts = new Map<string, number>();
  const unexplainedDuplicates: string[] = [];
  let duplicates = 0;
  const inTime = [...copies].sort((a, b) => a.appendedAt - b.appendedAt);
  for (const copy of inTime) {
    const same = `${copy.plugin} ${copy.origin}`;
    const first = firsts.get(same);
    if (first === undefined) {
      firsts.set(same, copy.appendedAt);
      continue;
    }
    duplicates += 1;
    const between = ({ at }: Disturbance) => at >= first - NOTED_LATE_MS && at <= copy.appendedAt + NOTED_LATE_MS;
    if (delivery === "exactly-once" || !disturbances.some(between)) unexplainedDuplicates.push(same);
  }
  return { duplicates, unexplainedDuplicates };
}

function deadLetterErrors({ inputs, deadLetters, poison }: History): string[] {
  const poisoned = new Map(
    inputs.flatMap(({ origin, poison: value }) => (value === undefined ? [] : [[origin, value]])),
  );
  const dead = new Set(deadLetters);
  const values = new Set(poisoned.values());
  return [
    ...[...dead].filter((origin) => !poisoned.has(origin)).map((origin) => `${origin} is no poison`),
    ...[...poisoned.keys()].filter((origin) => !dead.has(origin)).map((origin) => `${origin} is no dead letter`),
    ...poison.filter((value) => !values.has(value)).map((value) => `${value} was never stored`),
  ];
}
