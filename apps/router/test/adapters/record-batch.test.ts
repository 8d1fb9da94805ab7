import { expect, test } from "@jest/globals";
import { crc32c, Reader, readRecordsBatch } from "@platformatic/kafka";
import fc from "fast-check";
import { encodeRecordBatch } from "../../src/adapters/record-batch.ts";
import { blockOfTexts, headerBlock, headerText, type RecordHeader } from "../../src/domain/header-block.ts";
import type { OutgoingRecord } from "../../src/domain/ports.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const nullable = (maxLength: number) => fc.option(bytes(maxLength));
const sizes = fc.oneof({ weight: 9, arbitrary: nullable(300) }, fc.integer({ min: 0, max: 20_000 }).map(Buffer.alloc));
const record = fc.record({
  key: nullable(100),
  value: sizes,
  own: fc.array(fc.tuple(bytes(90), nullable(90)), { maxLength: 4 }),
  added: fc.array(
    fc.tuple(fc.string({ minLength: 1, maxLength: 90 }), fc.string({ unit: "grapheme", maxLength: 90 })),
    {
      maxLength: 4,
    },
  ),
});
type Read = { key: Buffer | null; value: Buffer | null; own: RecordHeader[]; added: [string, string][] };

function outgoing({ key, value, own, added }: Read): { readonly record: OutgoingRecord } {
  const names = added.map(([name, text]) => headerText(name.replaceAll(/[^\x20-\x7e]/g, "?"), text)).join("");
  const blocks = { own: headerBlock(own), added: blockOfTexts(added.length, names) };
  return { record: { topic: "t", key, value, ...blocks, originPartition: 0, bytes: 0 } };
}

test("a batch is read by the client as it was written, whatever is in it", () => {
  const identity = { producerId: 2n ** 40n, producerEpoch: 3, firstSequence: 2 ** 31 - 1 };
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 80 }), fc.boolean(), (records, transactional) => {
      const now = 1_800_000_000_000;
      const batch = encodeRecordBatch((records as Read[]).map(outgoing), { ...identity, transactional }, now);
      const read = readRecordsBatch(Reader.from(batch));
      expect(batch.length).toBe(read.length + 12);
      expect(read.crc).toBe(crc32c(batch.subarray(21)));
      expect(read).toMatchObject({
        firstOffset: 0n,
        magic: 2,
        attributes: transactional ? 16 : 0,
        lastOffsetDelta: records.length - 1,
        firstTimestamp: BigInt(now),
        maxTimestamp: BigInt(now),
        ...identity,
      });
      expect(read.records).toHaveLength(records.length);
      for (const [index, { key, value, headers, offsetDelta }] of read.records.entries()) {
        const written = records[index] as Read;
        expect(offsetDelta).toBe(index);
        expect(key).toEqual(written.key);
        expect(value).toEqual(written.value);
        const added = written.added.map(([name, text]) => [name.replaceAll(/[^\x20-\x7e]/g, "?"), text]);
        expect(headers.slice(0, written.own.length)).toEqual(written.own);
        expect(headers.slice(written.own.length).map(([name, text]) => [String(name), String(text)])).toEqual(added);
      }
    }),
    { numRuns: 40 },
  );
});
