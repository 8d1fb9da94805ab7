import { describe, expect, test } from "@jest/globals";
import { IS_CONTROL, IS_TRANSACTIONAL } from "@platformatic/kafka";
import { readPartition } from "../../src/adapters/fetched-records.ts";

type Fetched = Parameters<typeof readPartition>[0];
type Batch = NonNullable<Fetched["records"]>[number];

function batch(firstOffset: number, count: number, more: Partial<Batch> = {}): Batch {
  const records = Array.from({ length: count }, (_, index) => ({
    length: 10,
    attributes: 0,
    timestampDelta: BigInt(index),
    offsetDelta: index,
    key: null,
    value: Buffer.from(`v${firstOffset + index}`),
    headers: [],
  }));
  return {
    firstOffset: BigInt(firstOffset),
    length: 100,
    partitionLeaderEpoch: 0,
    magic: 2,
    crc: 0,
    attributes: 0,
    lastOffsetDelta: count - 1,
    firstTimestamp: 1_000n,
    maxTimestamp: 1_000n,
    producerId: -1n,
    producerEpoch: 0,
    firstSequence: 0,
    records,
    ...more,
  };
}

const inTransaction = (firstOffset: number, count: number, producerId: bigint) =>
  batch(firstOffset, count, { attributes: IS_TRANSACTIONAL, producerId });

function marker(offset: number, producerId: bigint, kind: "abort" | "commit"): Batch {
  const control = batch(offset, 1, { attributes: IS_TRANSACTIONAL | IS_CONTROL, producerId });
  const [record] = control.records;
  if (record !== undefined) record.key = Buffer.from([0, 0, 0, kind === "abort" ? 0 : 1]);
  return control;
}

function fetched(records: Batch[], aborted: { producerId: bigint; firstOffset: bigint }[] | null = null): Fetched {
  return {
    partitionIndex: 4,
    errorCode: 0,
    highWatermark: 100n,
    lastStableOffset: 100n,
    logStartOffset: 0n,
    abortedTransactions: aborted,
    preferredReadReplica: -1,
    records,
  };
}

const offsetsOf = (from: number, records: Batch[], aborted?: { producerId: bigint; firstOffset: bigint }[]) =>
  readPartition(fetched(records, aborted ?? null), from).records.map((record) => record.offset);

describe("fetched records", () => {
  test("have offset, partition and time, and begin where they were asked for though the batch begins before", () => {
    const { records, next } = readPartition(fetched([batch(5, 4)]), 7);
    expect(records.map(({ partition, offset, timestampMs }) => [partition, offset, timestampMs])).toEqual([
      [4, 7, 1_002],
      [4, 8, 1_003],
    ]);
    expect(next).toBe(9);
  });

  test("control records are left out and read past", () => {
    const { records, next } = readPartition(fetched([inTransaction(0, 2, 1n), marker(2, 1n, "commit")]), 0);
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
    const { records, next } = readPartition(
      fetched([batch(0, 1), inTransaction(1, 3, 9n)], [{ producerId: 9n, firstOffset: 1n }]),
      0,
    );
    expect(records.map((record) => record.offset)).toEqual([0]);
    expect(next).toBe(4);
  });
});
