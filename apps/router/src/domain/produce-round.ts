import type { OutgoingRecord } from "./ports.ts";

/** Below Kafka's default of 1 MiB per batch of a partition: a batch above `max.message.bytes` is refused whole. */
const PARTITION_BATCH_BYTES_MAX = 900 * 1024;
/** Bytes of one send, over all topics: far below the broker's `socket.request.max.bytes` (100 MiB). */
export const ROUND_BYTES_MAX = 16 * 1024 * 1024;
/** Records of one send: bounds the time in which the event loop builds one request. */
export const ROUND_RECORDS_MAX = 5_000;

/** What one send carries for one partition, in order: one batch. */
export interface Part<T extends { readonly record: OutgoingRecord }> {
  readonly topic: string;
  readonly partition: number;
  readonly items: T[];
  /** Of its records, with their overhead. */
  bytes: number;
}

/** What one send carries. */
export interface Round<T extends { readonly record: OutgoingRecord }> {
  readonly parts: readonly Part<T>[];
  readonly records: number;
  readonly bytes: number;
  /** How much of the queue was looked at. */
  readonly taken: number;
}

/**
 * Takes from the front of a queue what fits into one send: until one partition's batch, or the whole, would be too
 * large. What comes after a record that does not fit waits too, so that order within a partition is kept. A record above
 * the bound is sent in a batch of its own; its topic's limit decides.
 *
 * @param place the record's partition; "elsewhere" when `place` took care of the record, "stop" to end the round before it.
 * @param recordsMax records of the send.
 */
export function nextRound<T extends { readonly record: OutgoingRecord }>(
  queue: readonly T[],
  place: (item: T) => number | "elsewhere" | "stop",
  recordsMax = ROUND_RECORDS_MAX,
): Round<T> {
  const parts: Part<T>[] = [];
  const byTopic = new Map<string, (Part<T> | undefined)[]>();
  let bytes = 0;
  let records = 0;
  let taken = 0;
  for (const item of queue) {
    const partition = place(item);
    if (partition === "stop") break;
    if (partition !== "elsewhere") {
      const { record } = item;
      let ofTopic = byTopic.get(record.topic);
      if (ofTopic === undefined) {
        ofTopic = [];
        byTopic.set(record.topic, ofTopic);
      }
      let part = ofTopic[partition];
      const full =
        records >= recordsMax ||
        (records > 0 && bytes + record.bytes > ROUND_BYTES_MAX) ||
        (part !== undefined && part.bytes + record.bytes > PARTITION_BATCH_BYTES_MAX);
      if (full) break;
      if (part === undefined) {
        part = { topic: record.topic, partition, items: [], bytes: 0 };
        ofTopic[partition] = part;
        parts.push(part);
      }
      part.items.push(item);
      part.bytes += record.bytes;
      bytes += record.bytes;
      records += 1;
    }
    taken += 1;
  }
  return { parts, records, bytes, taken };
}
