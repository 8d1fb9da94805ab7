import {
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  type DeliveryRecord,
  deliveryId,
  EVENT_DIGEST_LENGTH,
  type EventAttributes,
  eventDigest,
  HEADERS_MAX,
  type Refused,
} from "@plugboard/contract";
import { type HeaderBytes, headerBytes, headerNameText, headerText, lengthText, valueText } from "./header-text.ts";
import type { OutgoingRecord, SourceRecord } from "./ports.ts";
import { RecordContent } from "./record-content.ts";

/** Kafka's own overhead of a record beside key, value and headers: lengths, offset and time deltas, at most. */
const RECORD_OVERHEAD_BYTES = 40;
/** Longest text of problems in a dead letter's header, bytes (contract/delivery). */
const DETAIL_BYTES_MAX = 4 * 1024;
/** A dead letter above this is refused by its topic (input limit + 64 KiB, less the batch's own head): origin only. */
const DEAD_LETTER_BYTES_MAX = 1024 * 1024 + 63 * 1024;

/** Names the parked copy's own topic. */
export const PARKED_TARGET_HEADER = "pb-parked-target";
const ROUTED_AT_NAME = headerNameText(DELIVERY_HEADER.routedAt);
const ORIGIN_NAME = headerNameText(DELIVERY_HEADER.origin);
/** Headers a copy gets. */
const COPY_HEADERS = 7;

/**
 * The added headers that are the same for every copy of a team's events of one type for one plugin. The last one, the
 * identity, ends with the event's digest, which is not among them.
 * @param routeVersion of the table's entries: `<team>.<plugin>`.
 */
export function routeHeaders(team: string, event: string, plugin: string, routeVersion: string): HeaderBytes {
  return headerBytes(
    headerText(DELIVERY_HEADER.plugin, plugin) +
      headerText(DELIVERY_HEADER.routeVersion, routeVersion) +
      headerText(DELIVERY_HEADER.team, team) +
      headerText(DELIVERY_HEADER.event, event) +
      headerNameText(DELIVERY_HEADER.id) +
      lengthText(plugin.length + 1 + EVENT_DIGEST_LENGTH) +
      plugin +
      ".",
  );
}

/** A record and what is known of it while it is routed. */
export interface ReadRecord {
  readonly record: SourceRecord;
  readonly event: EventAttributes;
  /** `<topic>/<partition>/<offset>` */
  readonly origin: string;
  /** ISO 8601. */
  readonly routedAt: string;
}

/** What all copies of one record share, made once. */
export interface CopyContext {
  readonly record: SourceRecord;
  /** The event's digest, and the headers with time and origin. */
  readonly headers: HeaderBytes;
}

export function copyContext({ record, event, origin, routedAt }: ReadRecord): CopyContext {
  const digest = eventDigest(event.teamId, event.source, event.id);
  const headers = headerBytes(digest + ROUTED_AT_NAME + valueText(routedAt) + ORIGIN_NAME + valueText(origin));
  return { record, headers };
}

export function originOf(topic: string, record: SourceRecord): string {
  return `${topic}/${record.partition}/${record.offset}`;
}

/** One plugin's copy: key, value and headers as read, the delivery's headers behind them. */
export function deliveryCopy({ record, headers }: CopyContext, route: HeaderBytes, topic: string): OutgoingRecord {
  const { content, partition } = record;
  return outgoing(topic, content, [route, headers], COPY_HEADERS, partition);
}

/** The exception for "why did this not arrive?": a filter that could not be evaluated. Keyed by response id. */
export function filterErrorRecord(
  context: ReadRecord,
  plugin: string,
  routeVersion: string,
  detail: string,
  topic: string,
): OutgoingRecord {
  const { event } = context;
  const outcome: DeliveryRecord = {
    deliveryId: deliveryId(event.teamId, plugin, event.source, event.id),
    plugin,
    team: event.teamId,
    event: event.type,
    source: event.source,
    eventId: event.id,
    formId: event.formId,
    responseId: event.responseId,
    revision: event.revision,
    outcome: "filter-error",
    attempt: 0,
    reason: clip(detail, DETAIL_BYTES_MAX),
    routeVersion,
    origin: context.origin,
    routedAt: null,
    at: context.routedAt,
    durationMs: null,
    retryAt: null,
  };
  const key = Buffer.from(event.responseId ?? event.id);
  const content = RecordContent.of({ key, value: Buffer.from(JSON.stringify(outcome)) });
  return outgoing(topic, content, [], 0, context.record.partition);
}

/**
 * A record that is no event, as it was read, with reason and origin; without headers when those are too many for readers,
 * and its origin alone when it is too large to keep.
 */
export function deadLetter(
  record: SourceRecord,
  refused: { readonly reason: string; readonly problems: Refused["problems"] },
  origin: string,
  at: string,
  topic: string,
): OutgoingRecord {
  const detail = clip(refused.problems.join("\n"), DETAIL_BYTES_MAX);
  const added =
    headerText(DEAD_LETTER_HEADER.reason, refused.reason) +
    headerText(DEAD_LETTER_HEADER.detail, detail) +
    headerText(DEAD_LETTER_HEADER.origin, origin) +
    headerText(DEAD_LETTER_HEADER.at, at);
  const pieces = [headerBytes(added)];
  const letter = (content: RecordContent) => outgoing(topic, content, pieces, 4, record.partition);
  const { content } = record;
  const whole = letter(
    content.headerCount <= HEADERS_MAX ? content : RecordContent.of({ key: content.key, value: content.value }),
  );
  return whole.bytes <= DEAD_LETTER_BYTES_MAX ? whole : letter(NOTHING);
}
const NOTHING = RecordContent.of({ key: null, value: null });

/** The same copy on its way to the parking topic, naming where it belongs. */
export function parkedCopy(copy: OutgoingRecord, topic: string): OutgoingRecord {
  const target = headerBytes(headerText(PARKED_TARGET_HEADER, copy.topic));
  const { content, added, addedCount, originPartition } = copy;
  return outgoing(topic, content, [...added, target], addedCount + 1, originPartition);
}

export function outgoing(
  topic: string,
  content: RecordContent,
  added: readonly HeaderBytes[],
  addedCount: number,
  originPartition: number,
): OutgoingRecord {
  let addedBytes = 0;
  for (const piece of added) addedBytes += piece.length;
  const bytes = RECORD_OVERHEAD_BYTES + content.end - content.start + addedBytes;
  return { topic, content, added, addedBytes, addedCount, originPartition, bytes };
}

/** At most `bytesMax` bytes of UTF-8, cut between characters. */
function clip(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  return new TextDecoder().decode(Buffer.from(text).subarray(0, bytesMax), { stream: true });
}
