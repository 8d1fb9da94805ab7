import {
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  type DeliveryRecord,
  deliveryId,
  type EventAttributes,
  HEADERS_MAX,
  type Refused,
} from "@plugboard/contract";
import {
  blockOfTexts,
  type HeaderBlock,
  type HeaderText,
  headerBlock,
  headerNameText,
  headerText,
  joined,
  NO_HEADERS,
  valueText,
} from "./header-block.ts";
import type { OutgoingRecord, SourceRecord } from "./ports.ts";

/** Kafka's own overhead of a record beside key, value and headers: lengths, offset and time deltas, at most. */
const RECORD_OVERHEAD_BYTES = 40;
/** Longest text of problems in a dead letter's header, bytes (contract/delivery). */
const DETAIL_BYTES_MAX = 4 * 1024;
/** A dead letter above this is refused by its topic (input limit + 64 KiB, less the batch's own head): origin only. */
const DEAD_LETTER_BYTES_MAX = 1024 * 1024 + 63 * 1024;

/** Stands before the parked copy's own topic. */
const PARKED_TARGET_HEADER = "pb-parked-target";
const ID_NAME = headerNameText(DELIVERY_HEADER.id);
const PLUGIN_NAME = headerNameText(DELIVERY_HEADER.plugin);
const ROUTE_VERSION_NAME = headerNameText(DELIVERY_HEADER.routeVersion);
/** Headers a copy gets. */
const COPY_HEADERS = 7;

/** What all copies of one record share, made once. */
export interface CopyContext {
  readonly record: SourceRecord;
  readonly event: EventAttributes;
  /** `<topic>/<partition>/<offset>` */
  readonly origin: string;
  /** ISO 8601. */
  readonly routedAt: string;
  /** The record's own headers. */
  readonly own: HeaderBlock;
  /** The delivery headers that are the same for every plugin. */
  readonly shared: HeaderText;
}

export function copyContext(
  record: SourceRecord,
  event: EventAttributes,
  origin: string,
  routedAt: string,
): CopyContext {
  const shared =
    headerText(DELIVERY_HEADER.team, event.teamId) +
    headerText(DELIVERY_HEADER.event, event.type) +
    headerText(DELIVERY_HEADER.routedAt, routedAt) +
    headerText(DELIVERY_HEADER.origin, origin);
  return { record, event, origin, routedAt, own: headerBlock(record.headers), shared };
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
  const { record, event, own, shared } = context;
  const id = deliveryId(event.teamId, plugin, event.source, event.id);
  const added =
    ID_NAME + valueText(id) + PLUGIN_NAME + valueText(plugin) + ROUTE_VERSION_NAME + valueText(routeVersion) + shared;
  return outgoing(topic, record.key, record.value, own, blockOfTexts(COPY_HEADERS, added), record.partition);
}

/** The exception for "why did this not arrive?": a filter that could not be evaluated. Keyed by response id. */
export function filterErrorRecord(
  context: Omit<CopyContext, "own" | "shared">,
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
  return outgoing(topic, key, Buffer.from(JSON.stringify(outcome)), NO_HEADERS, NO_HEADERS, context.record.partition);
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
  const letter = (key: Buffer | null, value: Buffer | null, own: HeaderBlock) => {
    const added =
      headerText(DEAD_LETTER_HEADER.reason, refused.reason) +
      headerText(DEAD_LETTER_HEADER.detail, detail) +
      headerText(DEAD_LETTER_HEADER.origin, origin) +
      headerText(DEAD_LETTER_HEADER.at, at);
    return outgoing(topic, key, value, own, blockOfTexts(4, added), record.partition);
  };
  const own = record.headers.length <= HEADERS_MAX ? headerBlock(record.headers) : NO_HEADERS;
  const whole = letter(record.key, record.value, own);
  return whole.bytes <= DEAD_LETTER_BYTES_MAX ? whole : letter(null, null, NO_HEADERS);
}

/** The same copy on its way to the parking topic, naming where it belongs. */
export function parkedCopy(copy: OutgoingRecord, topic: string): OutgoingRecord {
  const added = joined(copy.added, blockOfTexts(1, headerText(PARKED_TARGET_HEADER, copy.topic)));
  return outgoing(topic, copy.key, copy.value, copy.own, added, copy.originPartition);
}

function outgoing(
  topic: string,
  key: Buffer | null,
  value: Buffer | null,
  own: HeaderBlock,
  added: HeaderBlock,
  originPartition: number,
): OutgoingRecord {
  const bytes =
    RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + own.bytes.length + added.bytes.length;
  return { topic, key, value, own, added, originPartition, bytes };
}

/** At most `bytesMax` bytes of UTF-8, cut between characters. */
function clip(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  return new TextDecoder().decode(Buffer.from(text).subarray(0, bytesMax), { stream: true });
}
