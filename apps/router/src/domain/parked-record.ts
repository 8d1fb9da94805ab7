import { DELIVERY_HEADER } from "@plugboard/contract";
import { headerReader } from "./header-reader.ts";
import type { RecordHeader } from "./header-text.ts";
import { deadLetter, outgoing, PARKED_TARGET_HEADER } from "./outgoing.ts";
import type { OutgoingRecord, SourceRecord } from "./ports.ts";
import { RecordContent } from "./record-content.ts";
import type { ParkedRecord } from "./return-cursors.ts";

/** A record of the parking topic, and what is written for it. */
export interface ParkedCopy extends ParkedRecord {
  readonly record: OutgoingRecord;
  /** It names no topic that it could go back to: what is written is a dead letter. */
  readonly malformed: boolean;
}

/** Names and settings that say where parked copies may go. */
export interface ParkedNames {
  readonly parkedTopic: string;
  /** Only plugins' topics are ever parked for. */
  readonly pluginTopicPrefix: string;
  /** For records that name no such topic. */
  readonly deadLetters: string;
}

/** Why such a record is a dead letter, as a metric's label. */
export const NO_PARKED_TARGET = "no-parked-target";
/** Kafka's own rule for names of topics. */
const TOPIC_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

/**
 * The copy as it would have been written to its own topic: key, value and headers as parked, without the header that names
 * the topic. A record without a topic to go to becomes a dead letter, with where it stood.
 * @param at ISO 8601.
 */
export function readParkedRecord(record: SourceRecord, names: ParkedNames, at: string): ParkedCopy {
  const { content, offset, timestampMs } = record;
  const headers = content.headers();
  const target = headerReader(headers)(PARKED_TARGET_HEADER);
  if (target === undefined || !isPluginTopic(target, names)) {
    const problems = [
      target === undefined
        ? `the header ${PARKED_TARGET_HEADER} is missing`
        : `${PARKED_TARGET_HEADER} is no plugin's topic: ${target.slice(0, 300)}`,
    ];
    const origin = `${names.parkedTopic}/${record.partition}/${offset}`;
    const refused = { reason: NO_PARKED_TARGET, problems };
    const letter = deadLetter(record, refused, origin, at, names.deadLetters);
    return { offset, timestampMs, target: names.deadLetters, record: letter, malformed: true };
  }
  const own = RecordContent.of({ key: content.key, value: content.value, headers: withoutTarget(headers) });
  const copy = outgoing(target, own, [], 0, originPartition(headers) ?? record.partition);
  return { offset, timestampMs, target, record: copy, malformed: false };
}

function isPluginTopic(target: string, { parkedTopic, pluginTopicPrefix }: ParkedNames): boolean {
  return (
    TOPIC_NAME.test(target) &&
    target.startsWith(pluginTopicPrefix) &&
    target.length > pluginTopicPrefix.length &&
    target !== parkedTopic
  );
}

/** The last one is the router's; one before it, if there is one, is the event's own. */
function withoutTarget(headers: readonly RecordHeader[]): RecordHeader[] {
  const last = headers.findLastIndex(([name]) => name.toString("latin1") === PARKED_TARGET_HEADER);
  return headers.filter((_, index) => index !== last);
}

/** The partition of `responses` it came from, which places copies without a key; undefined when it does not say. */
function originPartition(headers: readonly RecordHeader[]): number | undefined {
  const origin = headerReader(headers)(DELIVERY_HEADER.origin);
  const named = Number(origin?.split("/").at(-2) ?? Number.NaN);
  return Number.isSafeInteger(named) && named >= 0 ? named : undefined;
}
