import { z } from "zod";

/** What became of a delivery, in a plugin or in the router. Exhaustive; see docs/ARCHITECTURE.md. */
export const deliveryOutcomeSchema = z.enum([
  "delivered", // the handler is done
  "duplicate", // this identity had been delivered before; nothing was done
  "superseded", // a newer revision of the response had been delivered before
  "retry", // failed for now; it is in the plugin's due-time table
  "rejected", // the team's fault (settings, data): a dead letter, no retry
  "failed", // given up after the last attempt: a dead letter
  "unknown", // an effect whose answer was lost: not repeated blindly
  "disabled", // the team had switched the plugin off meanwhile: dropped
  "filter-error", // the team's filter could not be evaluated on this event: not routed
]);
export type DeliveryOutcome = z.infer<typeof deliveryOutcomeSchema>;

/** A record of the topic `deliveries`, keyed by response id (event id where there is none). */
export const deliveryRecordSchema = z.object({
  deliveryId: z.string(),
  plugin: z.string(),
  team: z.string(),
  event: z.string(),
  source: z.string(),
  eventId: z.string(),
  formId: z.string().nullable(),
  responseId: z.string().nullable(),
  revision: z.number().nullable(),
  outcome: deliveryOutcomeSchema,
  /** Counts from 1; 0 where no attempt was made. */
  attempt: z.int().nonnegative(),
  reason: z.string().nullable(),
  routeVersion: z.string().nullable(),
  origin: z.string().nullable(),
  /** When it was routed and when this outcome was reached: ISO 8601, UTC. */
  routedAt: z.string().nullable(),
  at: z.string(),
  durationMs: z.number().nullable(),
  /** When a retry is due: ISO 8601, UTC. */
  retryAt: z.string().nullable(),
});
export type DeliveryRecord = z.infer<typeof deliveryRecordSchema>;
