/** What became of one attempt. A tenant's mistake (`rejected`) never looks like a system fault (`failed`). */
export type Outcome =
  | { readonly kind: "delivered" }
  /** Not now: tried again after `afterMs`, or after the schedule's own delay. */
  | { readonly kind: "retry"; readonly reason: string; readonly afterMs?: number }
  /** The team's fault: its settings or its data. Becomes a dead letter; no retry. */
  | { readonly kind: "rejected"; readonly reason: string }
  /** Ours, and no retry will help. Becomes a dead letter. */
  | { readonly kind: "failed"; readonly reason: string }
  /** The effect may or may not have happened; never repeated blindly. */
  | { readonly kind: "unknown"; readonly reason: string };

/** Constructors, so that a handler reads as a sentence: `return rejected("the phone number is not valid")`. */
export const delivered = (): Outcome => ({ kind: "delivered" });
export const retry = (reason: string, afterMs?: number): Outcome => ({
  kind: "retry",
  reason,
  ...(afterMs === undefined ? {} : { afterMs }),
});
export const rejected = (reason: string): Outcome => ({ kind: "rejected", reason });
export const failed = (reason: string): Outcome => ({ kind: "failed", reason });
export const unknown = (reason: string): Outcome => ({ kind: "unknown", reason });
