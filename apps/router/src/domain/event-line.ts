import type { EventAttributes, Lane } from "@plugboard/contract";
import type { EventRouting } from "./route-event.ts";

/** What the debug log tells of one event, once its copies are acknowledged. Names are those of docs/logs.md. */
export interface EventLine {
  readonly eventId: string;
  readonly source: string;
  readonly team: string;
  readonly event: string;
  readonly form: string | null;
  readonly response: string | null;
  /** `<topic>/<partition>/<offset>`. */
  readonly origin: string;
  /** Per enabled plugin: `copy` and its lane, unless that is the live one, or why there is none; of an event that goes to nobody, the team's reason stands in `nobody`. */
  readonly decisions: Readonly<Record<string, string>>;
  readonly nobody?: string;
}

/** @param origin where the record was read. */
export function eventLine(event: EventAttributes, origin: string, routing: EventRouting): EventLine {
  const decisions =
    routing.kind === "nobody"
      ? {}
      : Object.fromEntries(
          routing.outcomes.map((outcome) => {
            if (outcome.kind === "copy") return [outcome.plugin, copyText(outcome)];
            return [outcome.plugin, outcome.kind === "unmatched" ? outcome.reason : `filter-error: ${outcome.detail}`];
          }),
        );
  return {
    eventId: event.id,
    source: event.source,
    team: event.teamId,
    event: event.type,
    form: event.formId,
    response: event.responseId,
    origin,
    decisions,
    ...(routing.kind === "nobody" && { nobody: routing.reason }),
  };
}

function copyText({ lane, overQuota }: { readonly lane: Lane; readonly overQuota: boolean }): string {
  if (overQuota) return "copy: bulk, over quota";
  return lane === "live" ? "copy" : `copy: ${lane}`;
}
