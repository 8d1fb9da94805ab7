import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type AbortedTransaction, abortedAmong, type DecodedRecord } from "../src/hide-aborted-records.ts";

/** A record whose fate is known. */
interface Known extends DecodedRecord {
  aborted: boolean;
}

/** What producers do one after the other: each has one transaction at a time, and may write outside of one. */
const step = fc.record({
  producer: fc.constantFrom("1000", "1001", "1002", "9007199254740993"),
  does: fc.constantFrom("write", "write", "write", "plain", "commit", "abort"),
});
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

/** The partition, and the broker's list of aborted transactions, in the order in which they ended. */
function play(steps: readonly Step[], base: bigint) {
  const log: Known[] = [];
  const transactions: (AbortedTransaction & { readonly lastOffset: bigint })[] = [];
  const open = new Map<string, Known[]>();
  const add = (producerId: string, inTransaction: boolean, isControlRecord: boolean): Known => {
    const offset = String(base + BigInt(log.length));
    const record = { offset, isControlRecord, aborted: false, batchContext: { producerId, inTransaction } };
    log.push(record);
    return record;
  };
  const end = (producer: string, aborted: boolean) => {
    const records = open.get(producer) ?? [];
    const [first] = records;
    if (first === undefined) return;
    open.delete(producer);
    const mark = add(producer, true, true);
    if (!aborted) return;
    for (const record of records) record.aborted = true;
    transactions.push({ producerId: producer, firstOffset: first.offset, lastOffset: BigInt(mark.offset) });
  };
  for (const { producer, does } of steps) {
    if (does === "plain" && !open.has(producer)) add(producer, false, false);
    if (does === "write") open.set(producer, [...(open.get(producer) ?? []), add(producer, true, false)]);
    if (does === "commit" || does === "abort") end(producer, does === "abort");
  }
  // Nobody reads past the first that is open.
  for (const producer of [...open.keys()]) end(producer, true);
  return { log, transactions };
}

describe("abortedAmong", () => {
  test("finds exactly the records that were aborted, however transactions overlap and wherever reading begins", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.bigInt({ min: 0n, max: 2n ** 60n }),
        fc.nat(60),
        (steps, base, skipped) => {
          const { log, transactions } = play(steps, base);
          const read = log.slice(skipped);
          const from = BigInt(read[0]?.offset ?? 0);
          // As brokers do: of transactions that touch what is read, in the order in which they ended.
          const listed = transactions.filter(({ lastOffset }) => lastOffset >= from);
          expect(abortedAmong(read, listed)).toEqual(read.filter(({ aborted }) => aborted));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
