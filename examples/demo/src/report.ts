import Table from "cli-table3";
import type { Histogram } from "hdr-histogram-js";
import type { Ledger } from "./ledger.ts";
import { settledWell } from "./ledger.ts";

/** What the third parties and the core's database hold for this run, found by asking them. */
export interface Effects {
  /** Responses in the core's database. */
  readonly stored: number;
  /** Responses with at least one flag there. */
  readonly flagged: number;
  /** Plugin → response id → how many times its effect is there (rows in sheets, texts sent). */
  readonly perPlugin: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** The JSON object of `--json`. */
export interface Summary {
  readonly responses: number;
  readonly routed: Readonly<Record<string, number>>;
  readonly delivered: Readonly<Record<string, number>>;
  readonly flagged: number;
  readonly failed: number;
  /** Responses stored but not emitted, deliveries expected but not routed or not settled, effects that are not there. */
  readonly lost: number;
  /** Effects that are there twice: rows, texts. */
  readonly duplicates: number;
  /** Copies of one delivery in a plugin's topic beyond the first; the plugin recognises them by their id. */
  readonly duplicateCopies: number;
  readonly misrouted: number;
  /** Submitted to delivered. */
  readonly latencyMs: Percentiles;
  /** Of which: submitted to routed. */
  readonly routedMs: Percentiles;
}

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** Counts a run from the ledger (Kafka) and the effects (emulators, databases). */
export function summarise(ledger: Ledger, effects: Effects, refusedSubmits: number): Summary {
  let failed = refusedSubmits;
  let lost = Math.max(0, effects.stored - ledger.responses.size);
  let duplicates = 0;
  let duplicateCopies = 0;
  let misrouted = 0;
  const routed: Record<string, number> = {};
  const delivered: Record<string, number> = {};
  for (const [plugin, { expected, copies, outcomes }] of ledger.plugins) {
    const settled = [...expected].filter((id) => outcomes.has(id)).length;
    const good = settledWell(expected, outcomes);
    routed[plugin] = [...copies.keys()].filter((id) => expected.has(id)).length;
    delivered[plugin] = good;
    failed += settled - good;
    misrouted += copies.size - (routed[plugin] ?? 0);
    lost += expected.size - settled;
    for (const { count } of copies.values()) duplicateCopies += count - 1;
    const there = effects.perPlugin.get(plugin);
    if (there === undefined) continue;
    lost += Math.max(0, good - there.size);
    for (const count of there.values()) duplicates += count - 1;
  }
  const latencies = ledger.latencies();
  const latencyMs = percentilesOf(latencies.delivered);
  const routedMs = percentilesOf(latencies.routed);
  const { flagged } = effects;
  return {
    responses: effects.stored,
    routed,
    delivered,
    flagged,
    failed,
    lost,
    duplicates,
    duplicateCopies,
    misrouted,
    latencyMs,
    routedMs,
  };
}

function percentilesOf(histogram: Histogram): Percentiles {
  return { p50: histogram.getValueAtPercentile(50), p99: histogram.getValueAtPercentile(99) };
}

/** Why a run is not a success; empty when it is. */
export function shortcomings(summary: Summary, submitted: number): string[] {
  const problems: string[] = [];
  if (summary.responses !== submitted)
    problems.push(`${submitted} responses were to be stored, ${summary.responses} are`);
  if (summary.lost > 0) problems.push(`${summary.lost} lost`);
  if (summary.failed > 0) problems.push(`${summary.failed} failed`);
  if (summary.misrouted > 0) problems.push(`${summary.misrouted} copies reached a plugin that they were not meant for`);
  if (summary.duplicates > 0) problems.push(`${summary.duplicates} effects happened twice`);
  return problems;
}

/** The table that people read. */
export function renderSummary(summary: Summary): string {
  const table = new Table({ head: ["plugin", "routed", "delivered"], style: { head: [], border: [] } });
  for (const plugin of Object.keys(summary.routed)) {
    table.push([plugin, summary.routed[plugin] ?? 0, summary.delivered[plugin] ?? 0]);
  }
  const { responses, flagged, failed, lost, duplicates, duplicateCopies, latencyMs, routedMs } = summary;
  return [
    `${responses} responses submitted, ${flagged} of them flagged for correction`,
    table.toString(),
    `failed ${failed} · lost ${lost} · doubled effects ${duplicates} (copies recognised as such: ${duplicateCopies})`,
    `submitted → routed: p50 ${routedMs.p50} ms, p99 ${routedMs.p99} ms; → delivered: p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms`,
  ].join("\n");
}
