import type { CopyRecord, InputRecord } from "./history.ts";
import type { FaultWindow } from "./journal.ts";
import type { DueTimes } from "./recovery.ts";
import { percentile } from "./waits.ts";

/** What the other plugins felt of a topic that could not be written, milliseconds from an event being due to its copy. */
export interface Bystanders {
  readonly fault: string;
  readonly injectedAt: number;
  readonly before: { readonly copies: number; readonly p50: number; readonly p99: number };
  /** From the injection, or from when the cluster had failed over, to the heal. */
  readonly during: { readonly copies: number; readonly p50: number; readonly p99: number };
}

/**
 * @param fault whose windows are measured, alone.
 * @param plugin the one whose topic it is: not counted.
 * @param beforeMs how long before the injection nothing else was done.
 * @param failOverMs how long after the injection the cluster itself may need: not measured.
 */
export function bystanders(
  {
    windows,
    inputs,
    copies,
    due,
  }: { windows: readonly FaultWindow[]; inputs: readonly InputRecord[]; copies: readonly CopyRecord[]; due: DueTimes },
  { fault, plugin, beforeMs, failOverMs }: { fault: string; plugin: string; beforeMs: number; failOverMs: number },
): Bystanders[] {
  const dueOf = new Map(inputs.map(({ origin, id }) => [origin, due.get(id)]));
  const seen = new Set<string>();
  const waits: { readonly dueAt: number; readonly ms: number }[] = [];
  for (const copy of copies.toSorted((a, b) => a.appendedAt - b.appendedAt)) {
    const dueAt = dueOf.get(copy.origin);
    if (copy.plugin === plugin || copy.parked || dueAt === undefined || seen.has(copy.delivery)) continue;
    seen.add(copy.delivery);
    waits.push({ dueAt, ms: copy.appendedAt - dueAt });
  }
  const between = (from: number, until: number) => {
    const ms = waits.filter(({ dueAt }) => dueAt >= from && dueAt < until).map((wait) => wait.ms);
    return { copies: ms.length, p50: percentile(ms, 50), p99: percentile(ms, 99) };
  };
  return windows
    .filter((window) => window.fault === fault)
    .map(({ injectedAt, healedAt }) => ({
      fault,
      injectedAt,
      before: between(injectedAt - beforeMs, injectedAt),
      during: between(injectedAt + failOverMs, healedAt),
    }));
}
