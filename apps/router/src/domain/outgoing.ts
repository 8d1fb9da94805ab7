import {
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  type DeliveryRecord,
  deliveryId,
  type EventAttributes,
} from "@plugboard/contract";
import { HEADERS_MAX, type Refused } from "./decode-record.ts";
import type { OutgoingRecord, RecordHeader, SourceRecord } from "./ports.ts";

/** Kafka's own overhead of a record beside key, value and headers: lengths, offset and time deltas, at most. */
const RECORD_OVERHEAD_BYTES = 40;
/** Lengths of one header's name and value. */
const HEADER_OVERHEAD_BYTES = 6;
/** Longest text of problems in a dead letter's header, bytes (contract/delivery). */
const DETAIL_BYTES_MAX = 4 * 1024;
/** A dead letter above this is refused by its topic (input limit + 64 KiB, less the batch's own head): origin only. */
const DEAD_LETTER_BYTES_MAX = 1024 * 1024 + 63 * 1024;

const name = (text: string) => Buffer.from(text, "latin1");
const PB_ID = name(DELIVERY_HEADER.id);
const PB_PLUGIN = name(DELIVERY_HEADER.plugin);
const PB_TEAM = name(DELIVERY_HEADER.team);
const PB_EVENT = name(DELIVERY_HEADER.event);
const PB_ROUTE_VERSION = name(DELIVERY_HEADER.routeVersion);
const PB_ROUTED_AT = name(DELIVERY_HEADER.routedAt);
const PB_ORIGIN = name(DELIVERY_HEADER.origin);
const PB_REASON = name(DEAD_LETTER_HEADER.reason);
const PB_DETAIL = name(DEAD_LETTER_HEADER.detail);
const PB_DEAD_AT = name(DEAD_LETTER_HEADER.at);
const PB_PARKED_TARGET = name("pb-parked-target");

/** What all copies of one record share, made once. */
export interface CopyContext {
  readonly record: SourceRecord;
  readonly event: EventAttributes;
  /** `<topic>/<partition>/<offset>` */
  readonly origin: string;
  /** ISO 8601. */
  readonly routedAt: string;
}

export function originOf(topic: string, record: SourceRecord): string {
  return `${topic}/${record.partition}/${record.offset}`;
}

/** One plugin's copy: key, value and headers as read, the delivery's headers behind them. */
export function deliveryCopy(
  context: CopyContext,
  plugin: string,
  routeVersion: string,
  topic: string,
): OutgoingRecord {
  const { record, event } = context;
  const headers = ownHeaders(record.headers);
  headers.set(PB_ID, Buffer.from(deliveryId(event.teamId, plugin, event.source, event.id)));
  headers.set(PB_PLUGIN, Buffer.from(plugin));
  headers.set(PB_TEAM, Buffer.from(event.teamId));
  headers.set(PB_EVENT, Buffer.from(event.type));
  headers.set(PB_ROUTE_VERSION, Buffer.from(routeVersion));
  headers.set(PB_ROUTED_AT, Buffer.from(context.routedAt));
  headers.set(PB_ORIGIN, Buffer.from(context.origin));
  return outgoing(topic, record.key, record.value, headers, record.partition);
}

/** The exception for "why did this not arrive?": a filter that could not be evaluated. Keyed by response id. */
export function filterErrorRecord(
  context: CopyContext,
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
  return outgoing(topic, key, Buffer.from(JSON.stringify(outcome)), new Map(), context.record.partition);
}

/**
 * A record that is no event, as it was read, with reason and origin; without headers when those are too many for readers,
 * and its origin alone when it is too large to keep.
 */
export function deadLetter(
  record: SourceRecord,
  refused: Refused,
  origin: string,
  at: string,
  topic: string,
): OutgoingRecord {
  const detail = clip(refused.problems.join("\n"), DETAIL_BYTES_MAX);
  const letter = (key: Buffer | null, value: Buffer | null, own: readonly RecordHeader[], reason: string) => {
    const headers = ownHeaders(own);
    headers.set(PB_REASON, Buffer.from(reason));
    headers.set(PB_DETAIL, Buffer.from(detail));
    headers.set(PB_ORIGIN, Buffer.from(origin));
    headers.set(PB_DEAD_AT, Buffer.from(at));
    return outgoing(topic, key, value, headers, record.partition);
  };
  const own = record.headers.length <= HEADERS_MAX ? record.headers : [];
  const whole = letter(record.key, record.value, own, refused.reason);
  return whole.bytes <= DEAD_LETTER_BYTES_MAX ? whole : letter(null, null, [], refused.reason);
}

/** The same copy on its way to the parking topic, naming where it belongs. */
export function parkedCopy(copy: OutgoingRecord, topic: string): OutgoingRecord {
  const headers = new Map(copy.headers);
  headers.set(PB_PARKED_TARGET, Buffer.from(copy.topic));
  return outgoing(topic, copy.key, copy.value, headers, copy.originPartition);
}

function ownHeaders(headers: readonly RecordHeader[]): Map<Buffer, Buffer | null> {
  const map = new Map<Buffer, Buffer | null>();
  for (const [header, value] of headers) map.set(header, value);
  return map;
}

function outgoing(
  topic: string,
  key: Buffer | null,
  value: Buffer | null,
  headers: Map<Buffer, Buffer | null>,
  originPartition: number,
): OutgoingRecord {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.byteLength ?? 0) + (value?.byteLength ?? 0);
  for (const [header, text] of headers) bytes += header.byteLength + (text?.byteLength ?? 0) + HEADER_OVERHEAD_BYTES;
  return { topic, key, value, headers, originPartition, bytes };
}

/** At most `bytesMax` bytes of UTF-8, cut between characters. */
function clip(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  return new TextDecoder().decode(Buffer.from(text).subarray(0, bytesMax), { stream: true });
}
