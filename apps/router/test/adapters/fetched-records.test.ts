import { describe, expect, test } from "@jest/globals";
import { createRecordsBatch, IS_CONTROL, IS_TRANSACTIONAL } from "@platformatic/kafka";
import { type FetchedPartition, readPartition } from "../../src/adapters/fetched-records.ts";
import { encodeRecordBatch } from "../../src/adapters/record-batch.ts";
import { RecordContent } from "../../src/domain/record-content.ts";

const APPEND_TIME = 1 << 3;

type Aborted = FetchedPartition["abortedTransactions"];

interface BatchOptions {
  readonly attributes?: number;
  readonly producerId?: bigint;
  readonly key?: Buffer | null;
}

/** As it stands in the log. The head is filled in as a broker does: first offset, time stamps, whose it is. */
function batch(
  firstOffset: number,
  count: number,
  { attributes = 0, producerId = -1n, key = null }: BatchOptions = {},
) {
  const records = Array.from({ length: count }, (_, index) => ({
    topic: "t",
    content: RecordContent.of({ key, value: Buffer.from(`v${firstOffset + index}`) }),
    added: [],
    addedBytes: 0,
    addedCount: 0,
    originPartition: 0,
    bytes: 0,
  }));
  const identity = { producerId, producerEpoch: 0, firstSequence: 0, transactional: false };
  const bytes = encodeRecordBatch(
    records.map((record) => ({ record })),
    identity,
    1_000,
  );
  bytes.writeBigInt64BE(BigInt(firstOffset), 0);
  bytes.writeInt16BE(attributes, 21);
  bytes.writeBigInt64BE(2_000n, 35);
  return bytes;
}

const inTransaction = (firstOffset: number, count: number, producerId: bigint) =>
  batch(firstOffset, count, { attributes: IS_TRANSACTIONAL, producerId });

const marker = (offset: number, producerId: bigint, kind: "abort" | "commit") =>
  batch(offset, 1, {
    attributes: IS_TRANSACTIONAL | IS_CONTROL,
    producerId,
    key: Buffer.from([0, 0, 0, kind === "abort" ? 0 : 1]),
  });

function read(from: number, log: readonly Buffer[], abortedTransactions: Aborted = null) {
  const { batches, next } = readPartition({ partitionIndex: 4, log: Buffer.concat(log), abortedTransactions }, from);
  return { records: batches.flatMap((each) => each.read(4, from)), next };
}

const offsetsOf = (from: number, log: readonly Buffer[], aborted?: Aborted) =>
  read(from, log, aborted ?? null).records.map((record) => record.offset);

describe("fetched records", () => {
  test("have offset, partition and time, and begin where they were asked for though the batch begins before", () => {
    const { records, next } = read(7, [batch(5, 4)]);
    expect(records.map(({ partition, offset, timestampMs }) => [partition, offset, timestampMs])).toEqual([
      [4, 7, 1_000],
      [4, 8, 1_000],
    ]);
    expect(next).toBe(9);
  });

  test("have the broker's time where that stamps them", () => {
    expect(read(0, [batch(0, 1, { attributes: APPEND_TIME })]).records[0]?.timestampMs).toBe(2_000);
  });

  test("end before a batch that was cut off", () => {
    const cut = batch(2, 2);
    const { records, next } = read(0, [batch(0, 2), cut.subarray(0, cut.length - 1)]);
    expect([records.length, next]).toEqual([2, 2]);
  });

  test.each(["gzip", "snappy", "lz4", "zstd"] as const)("are read from %s batches", (compression) => {
    const messages = ["a", "b"].map((text) => ({ topic: "t", key: Buffer.from("k"), value: Buffer.from(text) }));
    const { records, next } = read(0, [createRecordsBatch(messages, { compression }).buffer]);
    expect(records.map(({ content }) => `${content.key}${content.value}`)).toEqual(["ka", "kb"]);
    expect(next).toBe(2);
  });

  test("control records are left out and read past", () => {
    const { records, next } = read(0, [inTransaction(0, 2, 1n), marker(2, 1n, "commit")]);
    expect(records.map((record) => record.offset)).toEqual([0, 1]);
    expect(next).toBe(3);
  });

  test("an aborted transaction is left out, what its producer commits later is not, nor what others write", () => {
    const log = [
      inTransaction(0, 2, 1n),
      batch(2, 1),
      inTransaction(3, 1, 2n),
      marker(4, 1n, "abort"),
      inTransaction(5, 1, 1n),
      marker(6, 1n, "commit"),
    ];
    expect(offsetsOf(0, log, [{ producerId: 1n, firstOffset: 0n }])).toEqual([2, 3, 5]);
  });

  test("two aborted transactions of one producer are both left out", () => {
    const log = [
      inTransaction(0, 1, 1n),
      marker(1, 1n, "abort"),
      inTransaction(2, 1, 1n),
      marker(3, 1n, "abort"),
      batch(4, 1),
    ];
    const aborted = [
      { producerId: 1n, firstOffset: 2n },
      { producerId: 1n, firstOffset: 0n },
    ];
    expect(offsetsOf(0, log, aborted)).toEqual([4]);
  });

  test("an aborted transaction is left out although its end is in a later fetch", () => {
    const { records, next } = read(0, [batch(0, 1), inTransaction(1, 3, 9n)], [{ producerId: 9n, firstOffset: 1n }]);
    expect(records.map((record) => record.offset)).toEqual([0]);
    expect(next).toBe(4);
  });
});
