import type { GroupSight } from "./group-watch.ts";
import type { CopyRecord, InputRecord } from "./history.ts";
import type { FaultWindow } from "./journal.ts";
import { firstCopies, pausesOf, percentile } from "./waits.ts";

/** Later than this counts as disturbed, milliseconds. */
const LATE_MS = 1_000;

/** How long a fault was felt, milliseconds. */
export interface Recovery {
  readonly fault: string;
  readonly injectedAt: number;
  /** From the injection to the heal: how long the fault itself stood. */
  readonly stoodMs: number;
  /**
   * The cluster's own fail-over: the longest of three. An event of a bare safe producer was late by; the group's coordinator did not
   * answer for; the group took, from the injection, to let a lost member go. 0 below a second.
   */
  readonly clusterMs: number;
  /**
   * The longest time in which a partition of `responses` had events and none was routed: from its last copy, or from the first
   * event that waited, to the next copy. Of a fault that nobody can do anything against while it stands, from the heal.
   */
  readonly pausedMs: number;
  /** How much longer that was than the cluster's own fail-over. */
  readonly beyondMs: number;
  /** From the injection until every event was routed within a second again: what had piled up is worked off. */
  readonly caughtUpMs: number;
  /** The longest any event of the steady plugin took from when it was due to its copy. */
  readonly longestDelayMs: number;
  /** From the heal until the last parked copy was in its own topic; undefined when none was parked. */
  readonly parkedBackMs: number | undefined;
}

/** When each event was due, by id. */
export type DueTimes = ReadonlyMap<string, number>;

/** What is measured on. */
export interface Measured {
  readonly windows: readonly FaultWindow[];
  readonly inputs: readonly InputRecord[];
  readonly copies: readonly CopyRecord[];
  readonly steadyPlugin: string;
  readonly due: DueTimes;
  readonly sights: readonly GroupSight[];
}

/** Measures each fault on the steady plugin's copies. */
export function recoveries(measured: Measured): Recovery[] {
  const { windows, inputs, copies, steadyPlugin, due, sights } = measured;
  const copiedAt = firstCopies(copies.filter(({ plugin, parked }) => plugin === steadyPlugin && !parked));
  const pauses = pausesOf(inputs, copiedAt);
  return windows.map((window) => {
    let [writtenMs, caughtUpMs, longestDelayMs] = [0, 0, 0];
    for (const { id, origin, appendedAt } of inputs) {
      const dueAt = due.get(id);
      const routedAt = copiedAt.get(origin);
      if (dueAt === undefined || routedAt === undefined) continue;
      if (dueAt < window.injectedAt - LATE_MS || dueAt > window.settledAt) continue;
      longestDelayMs = Math.max(longestDelayMs, routedAt - dueAt);
      writtenMs = Math.max(writtenMs, appendedAt - dueAt);
      caughtUpMs = Math.max(caughtUpMs, felt(dueAt, routedAt, window));
    }
    const since = window.standing ? window.healedAt : 0;
    const felts = pauses.filter(({ from, until }) => until > window.injectedAt && from <= window.settledAt);
    const pausedMs = Math.max(0, ...felts.map(({ from, until }) => until - Math.max(from, since)));
    const outageMs = Math.max(writtenMs, coordinatorMs(window, sights));
    const clusterMs = Math.max(outageMs > LATE_MS ? outageMs : 0, memberGoneMs(window, sights));
    return {
      fault: window.fault,
      injectedAt: window.injectedAt,
      stoodMs: window.healedAt - window.injectedAt,
      clusterMs,
      pausedMs,
      beyondMs: Math.max(0, pausedMs - clusterMs),
      caughtUpMs,
      longestDelayMs,
      parkedBackMs: parkedBackMs(window, copies),
    };
  });
}

/** From the injection to the end of a wait of more than a second; else 0. */
function felt(from: number, until: number, { injectedAt }: FaultWindow): number {
  return until - from > LATE_MS ? Math.max(0, until - injectedAt) : 0;
}

/** The longest time without an answer of the group's coordinator. */
function coordinatorMs({ injectedAt, settledAt }: FaultWindow, sights: readonly GroupSight[]): number {
  let [silentSince, longest] = [Number.POSITIVE_INFINITY, 0];
  for (const { at, members } of sights) {
    if (at < injectedAt || at > settledAt) continue;
    if (members === undefined) silentSince = Math.min(silentSince, at);
    longest = Math.max(longest, at - silentSince);
    if (members !== undefined) silentSince = Number.POSITIVE_INFINITY;
  }
  return longest;
}

/** Until one of those that were in the group was not any more; 0 unless the fault takes a member away. */
function memberGoneMs({ injectedAt, settledAt, losesMember }: FaultWindow, sights: readonly GroupSight[]): number {
  const before = sights.findLast(({ at, members }) => at <= injectedAt && members !== undefined)?.members;
  if (before === undefined || losesMember !== true) return 0;
  const gone = sights.find(
    ({ at, members }) =>
      at > injectedAt && at <= settledAt && members !== undefined && before.some((id) => !members.includes(id)),
  );
  return gone === undefined ? 0 : gone.at - injectedAt;
}

function parkedBackMs({ injectedAt, healedAt, settledAt }: FaultWindow, copies: readonly CopyRecord[]) {
  const parked = new Set(
    copies
      .filter((copy) => copy.parked && copy.appendedAt >= injectedAt && copy.appendedAt <= settledAt)
      .map(({ delivery }) => delivery),
  );
  if (parked.size === 0) return undefined;
  const back = copies.filter((copy) => !copy.parked && parked.has(copy.delivery)).map((copy) => copy.appendedAt);
  return Math.max(0, Math.max(0, ...back) - healedAt);
}

/** All repetitions of one fault. */
export interface RecoverySummary {
  readonly fault: string;
  readonly times: number;
  /** Median and most of each figure. */
  readonly figures: Readonly<Record<Figure, readonly [p50: number, max: number] | undefined>>;
}

const FIGURES = ["clusterMs", "pausedMs", "beyondMs", "caughtUpMs", "parkedBackMs"] as const;
export type Figure = (typeof FIGURES)[number];

/** By fault, in the order in which they came first. */
export function summarize(list: readonly Recovery[]): RecoverySummary[] {
  return [...new Set(list.map(({ fault }) => fault))].map((fault) => {
    const same = list.filter((each) => each.fault === fault);
    const figures = FIGURES.map((name) => {
      const values = same.map((each) => each[name]).filter((value) => value !== undefined);
      return [name, values.length === 0 ? undefined : [percentile(values, 50), Math.max(...values)]] as const;
    });
    return { fault, times: same.length, figures: Object.fromEntries(figures) as RecoverySummary["figures"] };
  });
}
