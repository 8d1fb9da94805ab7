import { causeBetween } from "../journal.ts";
import type { DeadLetter, DeliveryRow, EffectHistory, PluginCopy } from "./effect-history.ts";
import { judgeLanded } from "./judge-landed.ts";
import { HANDLER_DEADLINE_MS, LEASE_MS, PROMISED } from "./roster.ts";
import { tellsOf } from "./spent-deadlines.ts";
import type { Landed } from "./vendor.ts";

/** What must not be. */
const BROKEN = [
  "acknowledged and not in its topic",
  "lost",
  "not handled yet",
  "delivered without effect",
  "effect of what was not delivered",
  "doubled in a transaction",
  "doubled though unsafe",
  "doubled though looked up",
  "repeated without cause",
  "repeated under another key",
  "unknown without cause",
  "ended as nothing asks for",
  "superseded by nothing",
  "older after newer",
  "dead letter missing",
  "dead letter without cause",
  "dead letter repeated without cause",
  "dead letter's history is not its own",
  "published otherwise than settled",
  "published nowhere, without cause",
  "still in the due-time table",
] as const;
export type Broken = (typeof BROKEN)[number];

/** How often there was what may be. */
export interface EffectCounts {
  deliveries: number;
  delivered: number;
  superseded: number;
  rejected: number;
  /** In doubt, each with its cause. */
  unknown: number;
  effects: number;
  /** Effects beyond a delivery's first, with the same key and a cause. */
  repeated: number;
  /** Effects that landed when their attempt's time was over: of a process that woke, or of a caller that had gone. */
  late: number;
  copiesRepeated: number;
  deadLettersRepeated: number;
  /** Outcomes that no record of `deliveries` tells: their process was killed before it could. */
  unpublished: number;
}

export interface EffectVerdict {
  readonly broken: ReadonlyMap<Broken, readonly string[]>;
  /** By plugin. */
  readonly counts: ReadonlyMap<string, EffectCounts>;
}

/** A delivery and everything known of it. */
export interface Case {
  readonly copy: PluginCopy;
  readonly row: DeliveryRow;
  readonly landed: readonly Landed[];
  readonly history: EffectHistory;
  readonly count: EffectCounts;
  readonly tell: (what: Broken, detail?: string) => void;
}

/** How long after its settlement an outcome may be on its way, so that a kill loses it; and a stop with its flush. */
const PUBLISHED_MS_MAX = 40_000;

/** Holds what became of every delivery against what had to become of it. */
export function judgePlugins(history: EffectHistory): EffectVerdict {
  const broken = new Map<Broken, string[]>(BROKEN.map((what) => [what, []]));
  const tell = (what: Broken, detail: string) => void broken.get(what)?.push(detail);
  const counts = new Map<string, EffectCounts>();
  const copies = Map.groupBy(history.copies, ({ id }) => id);
  const landed = Map.groupBy(history.landed, ({ id }) => id);
  const letters = Map.groupBy(history.deadLetters, ({ id }) => id);
  const published = Map.groupBy(history.outcomes, ({ id }) => id);
  const delivered = newestDelivered(history);
  for (const id of history.acknowledged) if (!copies.has(id)) tell("acknowledged and not in its topic", id);
  for (const item of history.waiting) tell("still in the due-time table", item);
  for (const [id, of] of copies) {
    const [copy] = of;
    if (copy === undefined) continue;
    const count = counts.get(copy.kind) ?? noCounts();
    counts.set(copy.kind, count);
    count.deliveries += 1;
    count.copiesRepeated += of.length - 1;
    const row = history.rows.get(id);
    if (row?.state !== "settled") {
      tell(of.some(({ committed }) => committed) ? "lost" : "not handled yet", named(copy, row));
      continue;
    }
    const of1 = { copy, row, landed: landed.get(id) ?? [], history, count };
    const one: Case = { ...of1, tell: (what, detail = "") => tell(what, `${named(copy, row)} ${detail}`) };
    judgeOutcome(one, delivered.get(responseOf(copy)) ?? 0);
    judgeLanded(one);
    judgeDeadLetters(one, letters.get(id) ?? []);
    judgePublished(one, published.get(id) ?? []);
  }
  for (const id of letters.keys()) if (!copies.has(id)) tell("dead letter without cause", `${id}, of no delivery`);
  judgeOrder(history, counts, tell);
  return { broken, counts };
}

function noCounts(): EffectCounts {
  return {
    deliveries: 0,
    delivered: 0,
    superseded: 0,
    rejected: 0,
    unknown: 0,
    effects: 0,
    repeated: 0,
    late: 0,
    copiesRepeated: 0,
    deadLettersRepeated: 0,
    unpublished: 0,
  };
}

function named({ kind, id, response, revision }: PluginCopy, row: DeliveryRow | undefined): string {
  const end = row === undefined ? "unknown to the plugin" : `${row.state} ${row.outcome ?? ""} (${row.reason ?? ""})`;
  return `${kind} ${id} of ${response} revision ${revision}: ${end}`;
}

function responseOf({ kind, response }: { readonly kind: string; readonly response: string }): string {
  return `${kind}/${response}`;
}

const MAY_BE_THERE: ReadonlySet<string> = new Set(["delivered", "unknown"]);

/** The newest revision of each response that was delivered, or may have been. */
function newestDelivered({ copies, rows }: EffectHistory): ReadonlyMap<string, number> {
  const newest = new Map<string, number>();
  for (const copy of copies)
    if (MAY_BE_THERE.has(rows.get(copy.id)?.outcome ?? ""))
      newest.set(responseOf(copy), Math.max(copy.revision, newest.get(responseOf(copy)) ?? 0));
  return newest;
}

/** An outcome is the one that the event and the vendor give; one that is in doubt has a cause. */
function judgeOutcome({ copy, row, tell, count, history }: Case, newest: number): void {
  switch (row.outcome) {
    case "delivered":
      count.delivered += 1;
      if (copy.doomed) tell("ended as nothing asks for");
      return;
    case "rejected":
      count.rejected += 1;
      if (!copy.doomed) tell("ended as nothing asks for");
      return;
    case "superseded":
      count.superseded += 1;
      if (newest <= copy.revision) tell("superseded by nothing");
      return;
    case "unknown":
      count.unknown += 1;
      if (PROMISED[copy.kind] !== "at-most-once") tell("ended as nothing asks for");
      else if (!isInDoubt(copy, row, history)) tell("unknown without cause");
      return;
    default:
      tell("ended as nothing asks for");
  }
}

/**
 * The vendor kept an answer to itself, or had not answered when the handler's time was over, as the row and the process's log both
 * say; or something was broken while the claim that was cut short stood.
 */
function isInDoubt({ id, appendedAt }: PluginCopy, row: DeliveryRow, history: EffectHistory): boolean {
  if (history.troubles.has(id) || tellsOf(row.reason, history.spent.get(id) ?? [])) return true;
  const until = row.leaseUntil ?? row.settledAt ?? appendedAt;
  const from = row.leaseUntil === null ? appendedAt : row.leaseUntil - LEASE_MS;
  return causeBetween(history.disturbances, from, until) !== undefined;
}

function judgeDeadLetters({ row, history, count, tell }: Case, letters: readonly DeadLetter[]): void {
  if (row.outcome !== "rejected" && row.outcome !== "failed") {
    for (const { detail } of letters) tell("dead letter without cause", detail);
    return;
  }
  const [first, ...others] = letters;
  if (first === undefined) {
    tell("dead letter missing");
    return;
  }
  if (row.outcome === "failed") tell("dead letter without cause", first.detail);
  let before = first.at;
  for (const { at } of others) {
    if (causeBetween(history.disturbances, before, at) === undefined) tell("dead letter repeated without cause");
    else count.deadLettersRepeated += 1;
    before = at;
  }
  for (const letter of letters) {
    const last = letter.history.at(-1);
    const isOwn = letter.attempts === row.attempts && last?.attempt === row.attempts && row.reason === letter.detail;
    if (!isOwn) tell("dead letter's history is not its own", JSON.stringify(letter));
  }
}

const ENDS: ReadonlySet<string> = new Set(["delivered", "superseded", "rejected", "failed", "unknown"]);

/** `deliveries` says what the plugin's table says, unless a process was killed before it could. */
function judgePublished({ row, history, count, tell }: Case, outcomes: EffectHistory["outcomes"]): void {
  const ends = outcomes.filter(({ outcome }) => ENDS.has(outcome));
  for (const { outcome } of ends) if (outcome !== row.outcome) tell("published otherwise than settled", outcome);
  const isTold = outcomes.some(
    ({ outcome, reason }) =>
      outcome === row.outcome || (outcome === "duplicate" && reason?.endsWith(` ${row.outcome}`) === true),
  );
  if (isTold) return;
  const settledAt = row.settledAt ?? 0;
  if (causeBetween(history.disturbances, settledAt, settledAt + PUBLISHED_MS_MAX) === undefined)
    tell("published nowhere, without cause");
  else count.unpublished += 1;
}

/** Of a response, no revision lands after a newer one. */
function judgeOrder(
  { landed, freezes }: EffectHistory,
  counts: ReadonlyMap<string, EffectCounts>,
  tell: (what: Broken, detail: string) => void,
): void {
  const newest = new Map<string, Landed>();
  for (const effect of landed) {
    const of = responseOf(effect);
    const before = newest.get(of);
    if (before === undefined || effect.revision >= before.revision) newest.set(of, effect);
    else if (isLate(effect, freezes)) {
      const count = counts.get(effect.kind);
      if (count !== undefined) count.late += 1;
    } else {
      const { kind, response, revision, id } = effect;
      tell("older after newer", `${kind} ${id}: revision ${revision} of ${response} after ${before.revision}`);
    }
  }
}

/** How long after it has woken a process may still send what it was about to send: its handler's time, and the vendor's. */
const WAKING_MS = 4_000;

/**
 * Whether an effect is of a process that had just woken, or of a caller that had gone, for its handler's time was over when the
 * vendor got to it: nobody can take it back.
 */
export function isLate({ kind, instance, sentAt, at, orphaned }: Landed, freezes: EffectHistory["freezes"]): boolean {
  // In the database nobody is late: the transaction finds its claim gone.
  if (PROMISED[kind] === "exactly-once") return false;
  // A vendor that has to wait for its core hears late that its caller has gone.
  if (orphaned || at - sentAt > HANDLER_DEADLINE_MS) return true;
  return freezes.some((freeze) => freeze.instance === instance && at >= freeze.from && at <= freeze.until + WAKING_MS);
}
