import type { EventAttributes, executeRequestSchema } from "@plugboard/contract";
import type { z } from "zod";

/** A flat event's attributes, under the names every handler knows. */
export function attributesOfFlat(
  event: z.output<typeof executeRequestSchema>["event"],
  flatSource: string,
): EventAttributes {
  return {
    id: event.id,
    source: event.source ?? flatSource,
    type: event.event,
    teamId: event.team_id,
    formId: event.form_id ?? null,
    responseId: event.response_id ?? null,
    revision: event.revision ?? null,
    time: event.occurred_at ?? null,
  };
}
