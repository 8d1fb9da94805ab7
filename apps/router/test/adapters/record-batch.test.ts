import { expect, test } from "@jest/globals";
import { crc32c, Reader, readRecordsBatch } from "@platformatic/kafka";
import fc from "fast-check";
import { encodeRecordBatch } from "../../src/adapters/record-batch.ts";
import { headerBytes, headerText } from "../../src/domain/header-text.ts";
import { logBatches } from "../../src/domain/log-batch.ts";
import type { OutgoingRecord } from "../../src/domain/ports.ts";
import { RecordContent, type RecordParts } from "../../src/domain/record-content.ts";
import { WRITER } from "../support/written-records.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const nullable = (maxLength: number) => fc.option(bytes(maxLength));
const sizes = fc.oneof({ weight: 9, arbitrary: nullable(300) }, fc.integer({ min: 0, max: 20_000 }).map(Buffer.alloc));
const record = fc.record({
  key: nullable(100),
  value: sizes,
  headers: fc.array(fc.tuple(bytes(90), nullable(90)), { maxLength: 4 }),
  added: fc.array(
    fc.tuple(
      fc.string({ minLength: 1, maxLength: 90 }).map((name) => name.replaceAll(/[^\x20-\x7e]/g, "?")),
      fc.string({ unit: "grapheme", maxLength: 90 }),
    ),
    { maxLength: 4 },
  ),
});
type Written = RecordParts & { readonly added: readonly (readonly [string, string])[] };

function outgoing({ added, ...parts }: Written): { readonly record: OutgoingRecord } {
  const pieces = added.map(([name, text]) => headerBytes(headerText(name, text)));
  const addedBytes = Buffer.concat(pieces).length;
  const content = RecordContent.of(parts);
  return {
    record: { topic: "t", content, added: pieces, addedBytes, addedCount: added.length, originPartition: 0, bytes: 0 },
  };
}

function headersOf({ headers = [], added }: Written) {
  return [...headers, ...added.map(([name, text]) => [Buffer.from(name), Buffer.from(text)])];
}

test("a batch is read as it was written, by the client and by the router, whatever is in it", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 80 }), fc.boolean(), (records, transactional) => {
      const written = records as Written[];
      const now = 1_800_000_000_000;
      const batch = encodeRecordBatch(written.map(outgoing), { ...WRITER, transactional }, now);
      const read = readRecordsBatch(Reader.from(batch));
      expect(batch.length).toBe(read.length + 12);
      expect(read.crc).toBe(crc32c(batch.subarray(21)));
      const { producerId, producerEpoch, firstSequence } = WRITER;
      expect(read).toMatchObject({
        firstOffset: 0n,
        magic: 2,
        attributes: transactional ? 16 : 0,
        lastOffsetDelta: records.length - 1,
        firstTimestamp: BigInt(now),
        maxTimestamp: BigInt(now),
        producerId,
        producerEpoch,
        firstSequence,
      });
      const [own] = logBatches(batch, () => Buffer.alloc(0));
      const again = own?.read(5, 0) ?? [];
      expect(own).toMatchObject({ firstOffset: 0, lastOffset: records.length - 1, isTransactional: transactional });
      expect([read.records.length, again.length]).toEqual([records.length, records.length]);
      for (const [index, record] of written.entries()) {
        const { key, value } = record;
        const headers = headersOf(record);
        expect(read.records[index]).toMatchObject({ offsetDelta: index, key, value, headers });
        const { content, ...where } = again[index] ?? {};
        expect(where).toEqual({ partition: 5, offset: index, timestampMs: now });
        expect([content?.key, content?.value, content?.headers()]).toEqual([key, value, headers]);
      }
    }),
    { numRuns: 40 },
  );
});
