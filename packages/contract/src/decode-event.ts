import type { z } from "zod";
import {
  EVENT_HEADER,
  type EventAttributes,
  eventAttributesSchema,
  plainAttributes,
  STRUCTURED_CONTENT_TYPE,
} from "./event.ts";

/** How a reader gets at a record's headers without knowing the Kafka client; absent headers are undefined. */
export type HeaderReader = (name: string) => string | undefined;

/** Why a record cannot be an event: machine-readable reason, and one line per problem for people. */
export interface Malformed {
  readonly kind: "malformed";
  readonly reason: "empty" | "not-json" | "not-an-object" | "no-team" | "no-event" | "invalid";
  readonly problems: readonly string[];
}

/** A decoded event. `data()` parses the value only when it is called, and only once. */
export interface DecodedEvent {
  readonly kind: "event";
  readonly envelope: "binary" | "structured" | "flat";
  readonly attributes: EventAttributes;
  /** The event's payload as an object; `{}` for an empty value. Throws SyntaxError when it came as bytes that are not JSON. */
  readonly data: () => Readonly<Record<string, unknown>>;
}

/**
 * Reads an event from a Kafka record in any of the three envelopes, without changing the bytes.
 *
 * A record with a `ce_id` or `ce_type` header is a binary CloudEvent and its value is not parsed. Otherwise the value
 * is parsed: with `specversion` in it (or the structured content type) it is a structured CloudEvent, else the flat form.
 *
 * @param flatSource the `source` given to flat events that name none.
 */
export function decodeEvent(
  header: HeaderReader,
  value: Uint8Array | null,
  flatSource: string,
): DecodedEvent | Malformed {
  if (header(EVENT_HEADER.type) !== undefined || header(EVENT_HEADER.id) !== undefined)
    return fromHeaders(header, value);
  if (value === null || value.byteLength === 0)
    return malformed("empty", ["the record has neither ce_* headers nor a value"]);
  let parsed: unknown;
  try {
    parsed = JSON.parse(asText(value));
  } catch (error) {
    return malformed("not-json", [`the value is not JSON: ${(error as Error).message}`]);
  }
  if (!isObject(parsed)) return malformed("not-an-object", ["the value is JSON but not an object"]);
  const structured =
    "specversion" in parsed || (header(EVENT_HEADER.contentType)?.startsWith(STRUCTURED_CONTENT_TYPE) ?? false);
  return structured ? fromStructured(parsed) : fromFlat(parsed, flatSource);
}

/** True when `decodeEvent` can tell team and event from the headers alone. */
export function isBinaryEvent(header: HeaderReader): boolean {
  return header(EVENT_HEADER.type) !== undefined || header(EVENT_HEADER.id) !== undefined;
}

function fromHeaders(header: HeaderReader, value: Uint8Array | null): DecodedEvent | Malformed {
  let data: Record<string, unknown> | undefined;
  return checked(
    "binary",
    HEADER_NAMES,
    {
      id: header(EVENT_HEADER.id),
      source: header(EVENT_HEADER.source),
      type: header(EVENT_HEADER.type),
      teamId: header(EVENT_HEADER.teamId),
      formId: header(EVENT_HEADER.formId) ?? null,
      responseId: header(EVENT_HEADER.subject) ?? null,
      revision: header(EVENT_HEADER.revision) ?? null,
      time: header(EVENT_HEADER.time) ?? null,
      priority: header(EVENT_HEADER.priority),
    },
    () => {
      data ??= payload(value === null || value.byteLength === 0 ? {} : JSON.parse(asText(value)));
      return data;
    },
  );
}

function fromStructured(event: Record<string, unknown>): DecodedEvent | Malformed {
  return checked(
    "structured",
    STRUCTURED_NAMES,
    {
      id: event.id,
      source: event.source,
      type: event.type,
      teamId: event.teamid,
      formId: event.formid ?? null,
      responseId: event.subject ?? null,
      revision: event.revision ?? null,
      time: event.time ?? null,
      priority: event.priority,
    },
    () => payload(event.data ?? fromBase64(event.data_base64) ?? {}),
  );
}

/** What an SDK makes of data that it was handed as bytes. Throws SyntaxError when they are not JSON. */
function fromBase64(data: unknown): unknown {
  return typeof data === "string" ? JSON.parse(Buffer.from(data, "base64").toString("utf8")) : undefined;
}

function fromFlat(event: Record<string, unknown>, flatSource: string): DecodedEvent | Malformed {
  return checked(
    "flat",
    FLAT_NAMES,
    {
      id: event.id,
      source: event.source ?? flatSource,
      type: event.event,
      teamId: event.team_id,
      formId: event.form_id ?? null,
      responseId: event.response_id ?? null,
      revision: event.revision ?? null,
      time: event.occurred_at ?? null,
      priority: event.priority,
    },
    () => payload(event.data ?? {}),
  );
}

type Names = Record<keyof EventAttributes, string>;
const HEADER_NAMES: Names = {
  id: "ce_id",
  source: "ce_source",
  type: "ce_type",
  teamId: "ce_teamid",
  formId: "ce_formid",
  responseId: "ce_subject",
  revision: "ce_revision",
  time: "ce_time",
  priority: "ce_priority",
};
const STRUCTURED_NAMES: Names = {
  id: "id",
  source: "source",
  type: "type",
  teamId: "teamid",
  formId: "formid",
  responseId: "subject",
  revision: "revision",
  time: "time",
  priority: "priority",
};
const FLAT_NAMES: Names = {
  id: "id",
  source: "source",
  type: "event",
  teamId: "team_id",
  formId: "form_id",
  responseId: "response_id",
  revision: "revision",
  time: "occurred_at",
  priority: "priority",
};

function checked(
  envelope: DecodedEvent["envelope"],
  names: Names,
  raw: Record<keyof EventAttributes, unknown>,
  data: DecodedEvent["data"],
): DecodedEvent | Malformed {
  const plain = plainAttributes(raw);
  if (plain !== null) return { kind: "event", envelope, attributes: plain, data };
  const result = eventAttributesSchema.safeParse(raw);
  if (result.success) return { kind: "event", envelope, attributes: result.data, data };
  const reason =
    raw.teamId === undefined || raw.teamId === null
      ? "no-team"
      : raw.type === undefined || raw.type === null
        ? "no-event"
        : "invalid";
  const problems = result.error.issues.map((issue) => {
    const name = names[issue.path[0] as keyof EventAttributes] ?? issue.path.join(".");
    const missing = raw[issue.path[0] as keyof EventAttributes] === undefined;
    return missing ? `${name}: is missing` : `${name}: ${issueText(issue)}`;
  });
  return malformed(reason, problems);
}

/** A union's own message says only "Invalid input"; its branches say what was wrong. */
function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code !== "invalid_union") return issue.message;
  return [...new Set(issue.errors.flat().map((inner) => inner.message))].join("; or ") || issue.message;
}

function malformed(reason: Malformed["reason"], problems: readonly string[]): Malformed {
  return { kind: "malformed", reason, problems };
}

function payload(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : { value };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asText(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
}
