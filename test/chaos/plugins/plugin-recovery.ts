import type { FaultWindow } from "../journal.ts";
import { pausesOf } from "../waits.ts";
import type { EffectHistory } from "./effect-history.ts";
import { KINDS } from "./roster.ts";

/** How long a fault was felt, milliseconds. */
export interface PluginRecovery {
  readonly fault: string;
  /** From the injection to the heal: how long the fault itself stood. */
  readonly stoodMs: number;
  /**
   * The longest time in which any plugin had deliveries and settled none: from its last one, or the first that waited, to the
   * next.
   */
  readonly pausedMs: number;
  /** From the heal until all that had come before it was settled, and every process ready again. */
  readonly settledMs: number;
}

export function pluginRecoveries(windows: readonly FaultWindow[], { copies, rows }: EffectHistory): PluginRecovery[] {
  const settledAt = new Map([...rows].map(([id, row]) => [id, row.settledAt ?? Number.POSITIVE_INFINITY]));
  const inputs = copies.map(({ id, kind, appendedAt }) => ({ origin: id, partition: KINDS.indexOf(kind), appendedAt }));
  const pauses = pausesOf(inputs, settledAt);
  return windows.map((window) => {
    const felt = pauses.filter(({ from, until }) => until > window.injectedAt && from <= window.settledAt);
    return {
      fault: window.fault,
      stoodMs: window.healedAt - window.injectedAt,
      pausedMs: Math.max(0, ...felt.map(({ from, until }) => until - from)),
      settledMs: window.settledAt - window.healedAt,
    };
  });
}
