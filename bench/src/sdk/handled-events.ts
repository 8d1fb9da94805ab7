import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Span } from "../append-times.ts";
import { TALLY_FILES } from "./tally.ts";

/** How far a process was at a moment. */
export interface Progress {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly handled: number;
}

/** What the counts of a run's events say. */
export interface Counted {
  /** Never handled. */
  readonly missing: number;
  /** Handled again, each time counted. */
  readonly duplicate: number;
  /** Handled, though nothing of the workload. */
  readonly foreign: number;
}

/** The steady part of a run lies between these shares of its events: the process is warm, and has not run dry yet. */
const STEADY_FROM = 0.2;
const STEADY_TO = 0.95;

/** What a process has told so far; nothing before its first event. */
export function readProgress(directory: string): Progress[] {
  const file = join(directory, TALLY_FILES.progress);
  if (!existsSync(file)) return [];
  // A line may be half written.
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [atMs, handled] = line.split(" ").map(Number);
    return { atMs: atMs as number, handled: handled as number };
  });
}

/** How often each event was handled, by serial. @throws when the process ended without telling. */
export function readCounts(directory: string): Uint8Array {
  return readFileSync(join(directory, TALLY_FILES.counts));
}

/** When each event was handled first, by serial: milliseconds since the epoch, NaN for never. */
export function readArrivals(directory: string): Float64Array {
  const bytes = readFileSync(join(directory, TALLY_FILES.arrivals));
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** @param handled by the process's own count, foreign ones included; undefined when nobody counted them. */
export function countedOf(counts: Uint8Array, handled?: number): Counted {
  let [missing, sum] = [0, 0];
  for (const count of counts) {
    if (count === 0) missing += 1;
    sum += count;
  }
  return { missing, duplicate: sum - (counts.length - missing), foreign: (handled ?? sum) - sum };
}

/**
 * Rate over the steady part, events per second: between the moments at which 20 % and 95 % of all were handled, each taken from the two
 * samples around it. Undefined when there is no time between them.
 */
export function steadyRate(
  progress: readonly Progress[],
  total: number,
): { readonly span: Span; readonly perSecond: number } | undefined {
  const fromMs = reachedAtMs(progress, total * STEADY_FROM);
  const toMs = reachedAtMs(progress, total * STEADY_TO);
  if (fromMs === undefined || toMs === undefined || toMs <= fromMs) return undefined;
  return { span: { fromMs, toMs }, perSecond: (total * (STEADY_TO - STEADY_FROM) * 1_000) / (toMs - fromMs) };
}

/** When so many were handled; undefined when they never were. The first sample's own events have no beginning: it counts as its moment. */
function reachedAtMs(progress: readonly Progress[], handled: number): number | undefined {
  const index = progress.findIndex((sample) => sample.handled >= handled);
  const [before, after] = [progress[index - 1], progress[index]];
  if (after === undefined) return undefined;
  if (before === undefined) return after.atMs;
  const share = (handled - before.handled) / (after.handled - before.handled);
  return before.atMs + share * (after.atMs - before.atMs);
}
