/** What each of the rig's plugins does, and so what is promised of its effects. */
export const KINDS = ["ledger", "text", "mail", "pay", "bulk"] as const;
export type Kind = (typeof KINDS)[number];

/**
 * How often a delivery has its effect:
 *   exactly-once   in the plugin's own database, in the delivery's transaction
 *   at-most-once   `redeliver: "unsafe"`: what nobody can tell ends as `unknown`
 *   at-least-once  `redeliver: "safe"`: repeated under the same key, where an attempt was cut short
 *   looked-up      `resolveUnknown`: the vendor is asked before anything is repeated
 */
export type Promised = "exactly-once" | "at-most-once" | "at-least-once" | "looked-up";

export const PROMISED: Readonly<Record<Kind, Promised>> = {
  ledger: "exactly-once",
  text: "at-most-once",
  mail: "at-least-once",
  pay: "looked-up",
  bulk: "at-least-once",
};

/** Of every handler, milliseconds: much below a freeze. */
export const HANDLER_DEADLINE_MS = 4_000;
/** What the SDK adds to it until a claim is anybody's, and so how long one holds. */
export const LEASE_MS = HANDLER_DEADLINE_MS + 5_000;

/** A response's payload here: whether the vendor refuses it for good. */
export interface Payload {
  readonly doomed: boolean;
}
