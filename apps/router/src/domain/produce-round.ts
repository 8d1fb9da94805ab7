import type { OutgoingRecord } from "./ports.ts";

/** Below Kafka's default of 1 MiB per batch of a partition: a batch above `max.message.bytes` is refused whole. */
const PARTITION_BATCH_BYTES_MAX = 900 * 1024;
/** Bytes of one send, over all topics: far below the broker's `socket.request.max.bytes` (100 MiB). */
const ROUND_BYTES_MAX = 16 * 1024 * 1024;
/** Records of one send: bounds the time in which the event loop builds one request. */
const ROUND_RECORDS_MAX = 10_000;

/** A record with its target partition. */
export interface Placed<T extends { readonly record: OutgoingRecord }> {
  readonly item: T;
  readonly partition: number;
}

/**
 * Takes from the front of a queue what fits into one send: until one partition's batch, or the whole, would be too
 * large. What comes after a record that does not fit waits too, so that order within a partition is kept. A record above
 * the bound is sent in a batch of its own; its topic's limit decides.
 *
 * @param place the record's partition; "elsewhere" when `place` took care of the record, "stop" to end the round before it.
 * @returns what to send, and how much of the queue was looked at.
 */
export function nextRound<T extends { readonly record: OutgoingRecord }>(
  queue: readonly T[],
  place: (item: T) => number | "elsewhere" | "stop",
): { readonly round: Placed<T>[]; readonly taken: number; readonly bytes: number } {
  const round: Placed<T>[] = [];
  const partitionBytes = new Map<string, number>();
  let bytes = 0;
  let taken = 0;
  for (const item of queue) {
    const partition = place(item);
    if (partition === "stop") break;
    if (partition !== "elsewhere") {
      const { record } = item;
      const key = `${record.topic}/${partition}`;
      const before = partitionBytes.get(key) ?? 0;
      const full =
        round.length >= ROUND_RECORDS_MAX ||
        (round.length > 0 && bytes + record.bytes > ROUND_BYTES_MAX) ||
        (before > 0 && before + record.bytes > PARTITION_BATCH_BYTES_MAX);
      if (full) break;
      partitionBytes.set(key, before + record.bytes);
      bytes += record.bytes;
      round.push({ item, partition });
    }
    taken += 1;
  }
  return { round, taken, bytes };
}
