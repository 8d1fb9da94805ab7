import type { CopyRecord, InputRecord } from "./check-history.ts";
import type { FaultWindow } from "./journal.ts";

/** Later than this counts as disturbed, milliseconds. */
const LATE_MS = 1_000;

/** How long a fault was felt, milliseconds since it was injected; 0 when nothing was later than a second. */
export interface Recovery {
  readonly fault: string;
  readonly injectedAt: number;
  /** From the injection to the heal: how long the fault itself stood. */
  readonly stoodMs: number;
  /** Until `responses` took every event at once again: the brokers' own fail-over. The worst partition. */
  readonly writtenMs: number;
  /** Until every event was routed within a second again: median and worst partition. */
  readonly routedMsP50: number;
  readonly routedMsMax: number;
  /** The longest any event of the steady plugin took from when it was due to its copy. */
  readonly longestDelayMs: number;
}

/** When each event was due, by id. */
export type DueTimes = ReadonlyMap<string, number>;

/** Measures the faults on the steady plugin's copies. */
export function recoveries(
  windows: readonly FaultWindow[],
  inputs: readonly InputRecord[],
  steady: readonly CopyRecord[],
  due: DueTimes,
): Recovery[] {
  const copiedAt = new Map<string, number>();
  for (const { origin, appendedAt } of steady)
    copiedAt.set(origin, Math.min(appendedAt, copiedAt.get(origin) ?? Number.POSITIVE_INFINITY));
  return windows.map((window) => {
    const written = new Map<number, number>();
    const routed = new Map<number, number>();
    let longestDelayMs = 0;
    for (const { id, origin, partition, appendedAt } of inputs) {
      const dueAt = due.get(id);
      const routedAt = copiedAt.get(origin);
      if (dueAt === undefined || routedAt === undefined) continue;
      if (dueAt < window.injectedAt - LATE_MS || dueAt > window.settledAt) continue;
      longestDelayMs = Math.max(longestDelayMs, routedAt - dueAt);
      felt(written, partition, dueAt, appendedAt, window);
      felt(routed, partition, dueAt, routedAt, window);
    }
    const sorted = [...routed.values()].sort((a, b) => a - b);
    return {
      fault: window.fault,
      injectedAt: window.injectedAt,
      stoodMs: window.healedAt - window.injectedAt,
      writtenMs: Math.max(0, ...written.values()),
      routedMsP50: sorted[Math.floor(sorted.length / 2)] ?? 0,
      routedMsMax: sorted.at(-1) ?? 0,
      longestDelayMs,
    };
  });
}

function felt(until: Map<number, number>, partition: number, dueAt: number, doneAt: number, window: FaultWindow): void {
  const late = doneAt - dueAt > LATE_MS ? doneAt - window.injectedAt : 0;
  until.set(partition, Math.max(late, until.get(partition) ?? 0));
}
