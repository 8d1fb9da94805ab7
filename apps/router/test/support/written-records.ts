import { Reader, readRecordsBatch } from "@platformatic/kafka";
import { encodeRecordBatch } from "../../src/adapters/record-batch.ts";
import type { RecordHeader } from "../../src/domain/header-text.ts";
import type { OutgoingRecord } from "../../src/domain/ports.ts";

export const WRITER = { producerId: 2n ** 40n, producerEpoch: 3, firstSequence: 2 ** 31 - 1, transactional: false };

/** A record as any reader of its topic sees it: by the client's decoder. */
export function asWritten(record: OutgoingRecord) {
  const [read] = readRecordsBatch(Reader.from(encodeRecordBatch([{ record }], WRITER, 0))).records;
  if (read === undefined) throw new Error("the batch is empty");
  return { key: read.key, value: read.value, headers: read.headers as RecordHeader[] };
}
