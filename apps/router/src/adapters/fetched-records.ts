import { type Consumer, IS_CONTROL, IS_TRANSACTIONAL, type RecordsBatch } from "@platformatic/kafka";
import type { RecordHeader } from "../domain/header-block.ts";
import type { SourceRecord } from "../domain/ports.ts";

export type FetchResponse = Awaited<ReturnType<Consumer["fetch"]>>;
type FetchedPartition = FetchResponse["responses"][number]["partitions"][number];

/** Memory a record needs beside its bytes: its object and buffers' heads, about. */
const RECORD_OBJECT_BYTES = 256;

/** What a fetch brought for one partition. */
export interface FetchedRecords {
  readonly records: SourceRecord[];
  /** Where to read on: behind control records and gaps too. */
  readonly next: number;
  readonly bytes: number;
}

/**
 * A partition's records as committed readers see them: control records and records of aborted transactions are left out.
 * The client's own filter misses an aborted transaction whose end is not in the same fetch, and all but the last one of
 * the same producer, so the broker's list is applied here in full, as Java's consumer does.
 *
 * @param from the offset asked for: a batch may begin before it.
 */
export function readPartition(fetched: FetchedPartition, from: number): FetchedRecords {
  const records: SourceRecord[] = [];
  let next = from;
  let bytes = 0;
  const aborted = abortedTransactions(fetched);
  for (const batch of fetched.records ?? []) {
    const first = Number(batch.firstOffset);
    const last = first + batch.lastOffsetDelta;
    if (!aborted(batch, last)) {
      for (const record of batch.records) {
        const offset = first + record.offsetDelta;
        if (offset < from) continue;
        const size = RECORD_OBJECT_BYTES + record.length;
        bytes += size;
        records.push({
          partition: fetched.partitionIndex,
          offset,
          timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
          key: record.key,
          value: record.value,
          headers: record.headers as RecordHeader[],
        });
      }
    }
    if (last + 1 > next) next = last + 1;
  }
  return { records, next, bytes };
}

/** Tells, batch by batch in order, whether to leave it out. */
function abortedTransactions({
  abortedTransactions: list,
}: FetchedPartition): (batch: RecordsBatch, last: number) => boolean {
  if (list === null || list.length === 0) return (batch) => (batch.attributes & IS_CONTROL) !== 0;
  const upcoming = list.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  const producers = new Set<bigint>();
  return (batch, last) => {
    while (upcoming[0] !== undefined && Number(upcoming[0].firstOffset) <= last) {
      producers.add(upcoming[0].producerId);
      upcoming.shift();
    }
    if ((batch.attributes & IS_CONTROL) !== 0) {
      if (isAbortMarker(batch)) producers.delete(batch.producerId);
      return true;
    }
    return (batch.attributes & IS_TRANSACTIONAL) !== 0 && producers.has(batch.producerId);
  };
}

/** A control record's key is version and type; type 0 is abort, 1 is commit. */
function isAbortMarker(batch: RecordsBatch): boolean {
  return batch.records[0]?.key?.readInt16BE(2) === 0;
}
