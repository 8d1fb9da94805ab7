import { z } from "zod";
import {
  EVENT_NAME_PATTERN,
  eventNameSchema,
  FORM_ID_LENGTH_MAX,
  formIdSchema,
  ID_PATTERN,
  teamIdSchema,
} from "./ids.ts";

/**
 * The event: CloudEvents 1.0, in Kafka binary mode (attributes in `ce_*` headers, the response in the value), or as
 * structured CloudEvents JSON, or in the flat form below. `decodeEvent` reads all three.
 */
export const EVENT_HEADER = {
  specversion: "ce_specversion",
  id: "ce_id",
  source: "ce_source",
  type: "ce_type",
  time: "ce_time",
  subject: "ce_subject",
  teamId: "ce_teamid",
  formId: "ce_formid",
  revision: "ce_revision",
  priority: "ce_priority",
  contentType: "content-type",
} as const;

/** Content type that marks a record's value as a structured CloudEvent. */
export const STRUCTURED_CONTENT_TYPE = "application/cloudevents+json";

/** The events the core emits today; a plugin may subscribe to others, for source plugins emit their own. */
export const CORE_EVENTS = ["onResponse", "onResponseUpdate", "onResponseDelete", "onFormCreation"] as const;

/** Longest event id and source accepted, in characters. */
export const EVENT_TEXT_LENGTH_MAX = 512;

const text = z.string().min(1).max(EVENT_TEXT_LENGTH_MAX);
/** Cores with numeric ids may send them as numbers; inside they are text. */
const looseId = <T extends z.ZodType<string, string>>(inner: T) =>
  z.union([z.string(), z.int()]).transform(String).pipe(inner);
const revision = z.union([z.int(), z.string().regex(/^\d{1,15}$/, "a revision is a whole number")]).transform(Number);
const time = z.iso.datetime({ offset: true });

/** `urgent` overtakes what comes as it comes; `bulk` is history that is imported or replayed. */
export type EventPriority = "urgent" | "bulk";

/** Any other value says nothing: no event is refused for it. */
function priorityOf(value: unknown): EventPriority | null {
  return value === "urgent" || value === "bulk" ? value : null;
}

/** What every event carries, whatever its envelope. Times are ISO 8601. */
export const eventAttributesSchema = z.object({
  /** Unique within `source`. */
  id: looseId(text),
  source: text,
  /** The event's name: `onResponse`, … */
  type: eventNameSchema,
  teamId: looseId(teamIdSchema),
  formId: looseId(formIdSchema).nullable(),
  /** The response's id; null for events about a form. */
  responseId: looseId(text).nullable(),
  /** Grows by one with every change of a response; null when the source counts none. */
  revision: revision.nullable(),
  time: time.nullable(),
  /** The lane that the source asks for; null for none. */
  priority: z.unknown().transform(priorityOf),
});
export type EventAttributes = z.infer<typeof eventAttributesSchema>;

const TIME_PATTERN = z.core.regexes.datetime({ offset: true });

/**
 * What {@link eventAttributesSchema} makes of attributes that are all in their plain form: ids as text, the revision as a
 * number. Null for any other, which the schema then judges. The router calls this for every record, and it takes a
 * twentieth of the schema's time; a test holds the two against each other.
 */
export function plainAttributes(raw: Readonly<Record<keyof EventAttributes, unknown>>): EventAttributes | null {
  const { id, source, type, teamId, formId, responseId, revision, time } = raw;
  const priority = priorityOf(raw.priority);
  const plain =
    isText(id, EVENT_TEXT_LENGTH_MAX) &&
    isText(source, EVENT_TEXT_LENGTH_MAX) &&
    typeof type === "string" &&
    EVENT_NAME_PATTERN.test(type) &&
    typeof teamId === "string" &&
    ID_PATTERN.test(teamId) &&
    (formId === null || isText(formId, FORM_ID_LENGTH_MAX)) &&
    (responseId === null || isText(responseId, EVENT_TEXT_LENGTH_MAX)) &&
    (revision === null || Number.isSafeInteger(revision)) &&
    (time === null || (typeof time === "string" && TIME_PATTERN.test(time)));
  return plain ? ({ id, source, type, teamId, formId, responseId, revision, time, priority } as EventAttributes) : null;
}

function isText(value: unknown, lengthMax: number): boolean {
  return typeof value === "string" && value.length > 0 && value.length <= lengthMax;
}

/** The flat form: what a core writes that knows nothing of CloudEvents. */
export const flatEventSchema = z.object({
  id: looseId(text),
  source: text.optional(),
  team_id: looseId(teamIdSchema),
  event: eventNameSchema,
  form_id: looseId(formIdSchema).nullish(),
  response_id: looseId(text).nullish(),
  revision: revision.nullish(),
  occurred_at: time.nullish(),
  priority: z.unknown().optional(),
  data: z.record(z.string(), z.unknown()).default({}),
});
export type FlatEvent = z.input<typeof flatEventSchema>;

/**
 * A flat event's attributes, under the names used everywhere inside.
 * @param flatSource the `source` of events that name none.
 */
export function attributesOfFlat(event: z.output<typeof flatEventSchema>, flatSource: string): EventAttributes {
  return {
    id: event.id,
    source: event.source ?? flatSource,
    type: event.event,
    teamId: event.team_id,
    formId: event.form_id ?? null,
    responseId: event.response_id ?? null,
    revision: event.revision ?? null,
    time: event.occurred_at ?? null,
    priority: priorityOf(event.priority),
  };
}

/** A response as `data` of a response event. Cores may add fields of their own. */
export const responseDataSchema = z.looseObject({
  /** Question id → answer, in the form's order. */
  answers: z.record(z.string(), z.unknown()).default({}),
  /** Who collected the response, so that a flagged one finds its way back. */
  collector: z.string().nullish(),
});
export type ResponseData = z.infer<typeof responseDataSchema>;
