import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { OutgoingRecord } from "../../src/domain/ports.ts";
import { nextRound } from "../../src/domain/produce-round.ts";

const BATCH_BYTES_MAX = 900 * 1024;
const item = (topic: string, bytes: number) => ({
  record: { topic, bytes, key: null, value: null, headers: new Map(), originPartition: 0 } satisfies OutgoingRecord,
});

describe("rounds", () => {
  test("bound each partition's batch, lose nothing, and keep order per partition", () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 200_000, max: 1_100_000 }));
    const records = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), sizes, fc.integer({ min: 0, max: 2 })), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(records, (all) => {
        const items = all.map(([topic, bytes, partition], index) => ({ ...item(topic, bytes), partition, index }));
        let queue = items;
        const sent: typeof items = [];
        while (queue.length > 0) {
          const { round, taken, bytes } = nextRound(queue, ({ partition }) => partition);
          expect(taken).toBeGreaterThan(0);
          const batches = Map.groupBy(round, ({ item: { record }, partition }) => `${record.topic}/${partition}`);
          for (const batch of batches.values()) {
            const size = batch.reduce((sum, placed) => sum + placed.item.record.bytes, 0);
            expect(batch.length === 1 || size <= BATCH_BYTES_MAX).toBe(true);
          }
          expect(bytes).toBe(round.reduce((sum, placed) => sum + placed.item.record.bytes, 0));
          sent.push(...round.map((placed) => placed.item));
          queue = queue.slice(taken);
        }
        expect(sent).toEqual(items);
      }),
    );
  });

  test("leave out what goes elsewhere, and end before what must wait", () => {
    const queue = [item("a", 1), item("elsewhere", 1), item("a", 2), item("wait", 1), item("a", 3)];
    const { round, taken } = nextRound(queue, ({ record: { topic } }) =>
      topic === "elsewhere" ? "elsewhere" : topic === "wait" ? "stop" : 0,
    );
    expect(round.map((placed) => placed.item.record.bytes)).toEqual([1, 2]);
    expect(taken).toBe(3);
  });
});
