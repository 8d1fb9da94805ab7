import type { DecodedEvent, Refused, TeamRoute, TrialCheck, TrialReason } from "@plugboard/contract";
import type { ExplainedEvaluation } from "@plugboard/routing-table";
import type { TeamPluginPair } from "./ports.ts";

/** Ids or names listed in a sentence; more are counted. */
const LISTED_MAX = 10;

/** What the sentences speak of. */
export interface TrialSubject {
  readonly team: string;
  readonly pair: TeamPluginPair;
  readonly route: TeamRoute;
  /** Whether the plugin answers inside the submit. */
  readonly answersSync: boolean;
  readonly path: "async" | "sync";
  readonly sample: DecodedEvent | Refused;
  readonly filter: ExplainedEvaluation | null;
  /** What a filter that cannot be asked said of itself. */
  readonly detail: string | undefined;
  readonly deadLetters: string;
}

type CheckName = TrialCheck["check"];

/** One sentence per check that passed. */
export function passedText(check: CheckName, { team, pair, route, path, sample }: TrialSubject): string {
  const plugin = pair.plugin.id;
  const event = sample.kind === "event" ? sample : undefined;
  switch (check) {
    case "event":
      return `It is ${ENVELOPES[event?.envelope ?? "flat"]} called "${event?.attributes.type}".`;
    case "team":
      return `It belongs to team ${team}.`;
    case "enabled":
      return `${plugin} is enabled for the team.`;
    case "registered":
      return `${plugin} is registered.`;
    case "subscribed":
      return `${plugin} takes events called "${event?.attributes.type}".`;
    case "path":
      return path === "async" ? `The team has ${plugin} get events by Kafka.` : `${plugin} is asked inside the submit.`;
    case "form":
      return route.forms === null
        ? "The team has not narrowed it to some forms."
        : `The form "${event?.attributes.formId}" is one of those the team chose.`;
    case "settings":
      return pair.row?.settings ? "Its settings are in force." : "It needs no settings.";
    case "maintenance":
      return pair.plugin.status === "disabled"
        ? `${plugin} is in maintenance: what is sent by Kafka waits for it.`
        : `${plugin} is not in maintenance.`;
    case "filter":
      return route.filter === null ? "The team has no filter for it." : "The filter says yes to this event.";
    default:
      return check satisfies never;
  }
}

const ENVELOPES = {
  flat: "a flat event",
  structured: "a structured CloudEvent",
  binary: "a CloudEvent with its attributes in headers",
} as const;

/** Where the team stands in each form of an event. */
const TEAM_FIELDS = { flat: "team_id", structured: "teamid", binary: "the header ce_teamid" } as const;

/** What failed, and what its reader can do about it. */
export function failedText(reason: TrialReason, subject: TrialSubject): string {
  const { team, pair, route, path, sample, answersSync } = subject;
  const plugin = pair.plugin.id;
  switch (reason) {
    case "disabled":
      return `${plugin} is not enabled for team ${team}. Enable it: it then gets what happens afterwards.`;
    case "other-team":
      return otherTeam(team, plugin, sample);
    case "deregistered":
      return `${plugin} has been taken out of service: nobody's events go to it until its operator registers it again.`;
    case "not-subscribed":
      return `${plugin} does not take events called "${sample.kind === "event" ? sample.attributes.type : ""}".`;
    case "sync-only":
      return `The team uses ${plugin} inside the submit only (mode "sync"), so nothing goes to it by Kafka. Use mode "both" or "async".`;
    case "async-only":
      return answersSync
        ? `The team uses ${plugin} by Kafka only (mode "async"), so it is not asked inside the submit. Use mode "both" or "sync".`
        : `${plugin} does not answer inside the submit: it gets events by Kafka only.`;
    case "form":
      return otherForm(route, sample);
    case "not-configured":
      return unsettled(pair);
    case "maintenance":
      return `${plugin} is in maintenance and is not asked inside the submit. ${consequence(route)}`;
    case "filter":
      return `The filter says no to this event: ${route.filter}`;
    case "filter-error":
      return `${unanswerable(subject)}${path === "sync" ? ` ${consequence(route)}` : ""}`;
    default:
      return `It is no event that can be read (${reason}): ${problemsOf(sample)}. ${refusal(subject)}`;
  }
}

function refusal({ path, deadLetters }: TrialSubject): string {
  return path === "async"
    ? `No plugin would get it; the router would put it into ${deadLetters}.`
    : "The core's submit would be answered 400.";
}

function otherTeam(team: string, plugin: string, sample: DecodedEvent | Refused): string {
  if (sample.kind === "malformed") return "";
  const { teamId } = sample.attributes;
  return `The event belongs to team ${teamId}, so only what ${teamId} has enabled gets it, and never ${plugin} as ${team} has set it up. For an event of ${team}, put "${team}" into ${TEAM_FIELDS[sample.envelope]}.`;
}

function otherForm({ id, forms }: TeamRoute, sample: DecodedEvent | Refused): string {
  const chosen = `The team has narrowed ${id} to: ${listed(forms ?? [])}`;
  const form = sample.kind === "event" ? sample.attributes.formId : null;
  return form === null
    ? `The event names no form. ${chosen}.`
    : `The form "${form}" is not among those chosen. ${chosen}.`;
}

function unsettled({ plugin, row }: TeamPluginPair): string {
  switch (row?.state) {
    case "refused":
      return `${plugin.id} refused the team's settings: ${listed(row.reasons.map(({ path, message }) => `${path} ${message}`.trim()))}. Correct them.`;
    case "pending":
      return `The team's settings are on their way to ${plugin.id}, which has not accepted them yet.`;
    default:
      return `${plugin.id} needs settings before it gets events, and the team has given none.`;
  }
}

/** What an unasked plugin means for the submit. */
function consequence({ onFailure }: TeamRoute): string {
  return onFailure === "open"
    ? "The response is accepted all the same."
    : 'As onFailure is "closed", the response is not accepted.';
}

function unanswerable({ filter, detail, route }: TrialSubject): string {
  if (filter?.kind === "invalid") {
    const { message, line, column } = filter.problem;
    return `The filter is not a valid expression: ${message} (line ${line}, column ${column}). It cannot be saved like this.`;
  }
  if (filter?.kind !== "problem") return `The filter cannot be evaluated: ${detail ?? ""}.`;
  const { missing, present, reason, message } = filter;
  const dropped = "An event on which the filter cannot be evaluated does not match.";
  if (missing === null) return `The filter cannot be evaluated on this event (${reason}): ${message}. ${dropped}`;
  const there = present === null ? "" : present.length === 0 ? " It has none." : ` It has: ${listed(present)}.`;
  const ask = /^[\w.]+$/.test(missing) ? ` If it may be missing, ask first: has(${missing}) && (${route.filter}).` : "";
  return `The filter needs ${missing}, which this event does not have.${there} ${dropped}${ask}`;
}

function problemsOf(sample: DecodedEvent | Refused): string {
  return sample.kind === "malformed" ? sample.problems.join("; ") : "";
}

function listed(items: readonly string[]): string {
  const more = items.length - LISTED_MAX;
  return `${items.slice(0, LISTED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
