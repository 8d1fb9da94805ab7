import { hash } from "node:crypto";

/** Headers the router adds to each copy. The value and the record's own headers stay as they were read. */
export const DELIVERY_HEADER = {
  /** Deterministic identity of (team, plugin, source, event id); see {@link deliveryId}. */
  id: "pb-delivery-id",
  plugin: "pb-plugin",
  team: "pb-team",
  event: "pb-event",
  /** `<team entry version>.<plugin entry version>` of the routing table that decided. */
  routeVersion: "pb-route-version",
  /** When it was routed: ISO 8601, UTC. */
  routedAt: "pb-routed-at",
  /** `<topic>/<partition>/<offset>` of the record it is a copy of. */
  origin: "pb-origin",
} as const;

/** Headers of a dead letter, beside those it had. */
export const DEAD_LETTER_HEADER = {
  /** One of a closed set: a malformed reason, or an outcome. */
  reason: "pb-dead-letter-reason",
  /** For people: every problem, at most 4 KiB. */
  detail: "pb-dead-letter-detail",
  origin: "pb-origin",
  at: "pb-dead-lettered-at",
  attempts: "pb-attempts",
  /** JSON array of the failed attempts, oldest first: `[{"attempt","at","reason"}]`. */
  history: "pb-error-history",
} as const;

/** Hex digits of an event's digest. */
export const EVENT_DIGEST_LENGTH = 32;

/**
 * Identity of a delivery: the same through retry, redrive and back-fill, so that a plugin can recognise a copy. The plugin's
 * id, a dot and the event's digest: what became of one event at all its plugins ends alike, and many copies of an event cost
 * one digest.
 */
export function deliveryId(team: string, plugin: string, source: string, eventId: string): string {
  return `${plugin}.${eventDigest(team, source, eventId)}`;
}

/** SHA-256 over the parts with their lengths (so that no two different tuples read alike), its first 32 hex digits. */
export function eventDigest(team: string, source: string, eventId: string): string {
  const text = `${team.length}:${team}${source.length}:${source}${eventId.length}:${eventId}`;
  return hash("sha256", text, "hex").slice(0, EVENT_DIGEST_LENGTH);
}
