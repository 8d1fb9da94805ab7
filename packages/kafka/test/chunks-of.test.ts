import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chunksOf } from "../src/safe-producer.ts";

/** What is counted for a record beside its bytes: packages/kafka's own overhead. */
const OVERHEAD = 70;

const message = (bytes: number) => ({ key: null, value: Buffer.alloc(bytes) });

describe("chunks of records", () => {
  test("end at the limit of records", () => {
    expect([...chunksOf([1, 2, 3, 4, 5].map(message), 2, 1e6)].map((chunk) => chunk.length)).toEqual([2, 2, 1]);
  });

  test("end before the limit of bytes", () => {
    const limit = 2 * (OVERHEAD + 100);
    expect([...chunksOf([100, 100, 1, 200].map(message), 10, limit)].map((chunk) => chunk.length)).toEqual([2, 1, 1]);
  });

  test("count keys, header names and header values, also repeated ones", () => {
    const headers = { name: [Buffer.alloc(50), "x".repeat(50)], other: "ü".repeat(10) };
    const record = { key: "k".repeat(30), value: null, headers };
    const bytes = OVERHEAD + 30 + (4 + 100 + 4) + (5 + 20 + 4);
    expect([...chunksOf([record, record], 10, 2 * bytes)]).toHaveLength(1);
    expect([...chunksOf([record, record], 10, 2 * bytes - 1)]).toHaveLength(2);
  });

  test("of no records are none", () => {
    expect([...chunksOf([], 10, 10)]).toEqual([]);
  });

  test("hold every record once, in order, and are within both limits unless one record alone is too large", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(500), { maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 2000 }),
        (sizes, recordsMax, bytesMax) => {
          const messages = sizes.map(message);
          const chunks = [...chunksOf(messages, recordsMax, bytesMax)];
          expect(chunks.flat()).toEqual(messages);
          for (const chunk of chunks) {
            expect(chunk.length).toBeLessThanOrEqual(recordsMax);
            const bytes = chunk.reduce((sum, { value }) => sum + OVERHEAD + (value as Buffer).byteLength, 0);
            expect(chunk.length === 1 || bytes <= bytesMax).toBe(true);
          }
        },
      ),
    );
  });
});
