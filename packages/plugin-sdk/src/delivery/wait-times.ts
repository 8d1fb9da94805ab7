import type { Clock } from "@plugboard/runtime";
import type { WaitingFor } from "../store/taken-entry.ts";

/** Delays of waits that are no failures; `wake` shortens the first when settings arrive. */
export const WAIT_MS: Record<Exclude<WaitingFor, "retry" | "dead-letter" | "turn">, number> = {
  parked: 0,
  settings: 30_000,
  table: 500,
  order: 1_000,
  busy: 1_000,
  // The end of the one that is tried wakes the next: this is for when it does not.
  alone: 2_000,
  drain: 0,
};
/** Of a claim's time, what is left to settle in. */
const SETTLE_MS_MAX = 2_000;
/** Longest a delivery waits for settings or its turn: as long as the topic would keep it. */
export const WAIT_AGE_MS_MAX = 7 * 86_400_000;

/** Tells how long a claim asked for now may be used: less than it holds, by what it takes to settle. */
export function timeLeft(of: { readonly clock: Clock; readonly leaseMs: number }): () => number {
  const until = of.clock.monotonic() + of.leaseMs - SETTLE_MS_MAX;
  return () => until - of.clock.monotonic();
}
