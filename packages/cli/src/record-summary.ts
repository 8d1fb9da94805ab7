import {
  coreCommandSchema,
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  decodeEvent,
  deliveryRecordSchema,
} from "@plugboard/contract";
import { headerReader, type KafkaMessage } from "@plugboard/kafka";
import { plainText } from "./plain-text.ts";

/** Characters of a value shown of a record that is none of ours. */
const VALUE_CHARACTERS_MAX = 200;

/** What a record is about, for people. */
export interface RecordSummary {
  readonly kind: "event" | "delivery" | "dead-letter" | "outcome" | "command" | "other";
  readonly team: string | null;
  readonly text: string;
}

/** Says what a record of any of Plugboard's topics is: by its headers first, then by what its value is. */
export function summarise({ value, headers }: Pick<KafkaMessage, "value" | "headers">): RecordSummary {
  const header = headerReader(headers);
  const event = decodeEvent(header, value, "core");
  const about = event.kind === "event" ? eventText(event.attributes) : null;
  const team = header(DELIVERY_HEADER.team) ?? (event.kind === "event" ? event.attributes.teamId : null);
  const reason = header(DEAD_LETTER_HEADER.reason);
  if (reason !== undefined) {
    const detail = header(DEAD_LETTER_HEADER.detail);
    const text = `dead letter (${reason}) ${detail ?? ""} ${about ?? ""}`;
    return { kind: "dead-letter", team, text: plainText(text.trim(), 500) };
  }
  const delivery = header(DELIVERY_HEADER.id);
  if (delivery !== undefined) {
    const by = `to ${header(DELIVERY_HEADER.plugin)} by ${header(DELIVERY_HEADER.routeVersion)}, from ${header(DELIVERY_HEADER.origin)}`;
    return { kind: "delivery", team, text: plainText(`${about ?? "event"} ${by}, ${delivery}`) };
  }
  if (about !== null) return { kind: "event", team, text: plainText(about) };
  return ofValue(parsedValue(value));
}

function eventText({
  type,
  teamId,
  formId,
  responseId,
  revision,
}: {
  type: string;
  teamId: string;
  formId: string | null;
  responseId: string | null;
  revision: number | null;
}): string {
  const parts = [
    formId === null ? "" : ` form ${formId}`,
    responseId === null ? "" : ` response ${responseId}`,
    revision === null ? "" : ` revision ${revision}`,
  ];
  return `${type} of ${teamId}${parts.join("")}`;
}

function ofValue(value: unknown): RecordSummary {
  const outcome = deliveryRecordSchema.safeParse(value).data;
  if (outcome !== undefined) {
    const text = `${outcome.outcome} ${outcome.event} of ${outcome.team} at ${outcome.plugin}, attempt ${outcome.attempt}${outcome.reason === null ? "" : `: ${outcome.reason}`}`;
    return { kind: "outcome", team: outcome.team, text: plainText(text, 500) };
  }
  const command = coreCommandSchema.safeParse(value).data;
  if (command !== undefined) {
    const text = `${command.type} ${command.responseId} by ${command.plugin}: ${command.flags.map(({ message }) => message).join("; ")}`;
    return { kind: "command", team: command.team, text: plainText(text, 500) };
  }
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  return { kind: "other", team: null, text: plainText(shown, VALUE_CHARACTERS_MAX) };
}

/** A value as `--json` prints it: JSON objects and lists as they are, anything else as text. */
export function parsedValue(value: Buffer | null): unknown {
  if (value === null) return null;
  const text = value.toString("utf8");
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? parsed : text;
  } catch {
    return text;
  }
}

/** Headers as text; of a repeated one the last counts, as for every reader here. */
export function headersOf({ headers }: Pick<KafkaMessage, "headers">): Record<string, string | null> {
  const read = headerReader(headers);
  return Object.fromEntries(Object.keys(headers ?? {}).map((name) => [name, read(name) ?? null]));
}
