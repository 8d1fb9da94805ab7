import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { OutgoingRecord } from "../../src/domain/ports.ts";
import { nextRound } from "../../src/domain/produce-round.ts";
import { RecordContent } from "../../src/domain/record-content.ts";

const BATCH_BYTES_MAX = 900 * 1024;
const EMPTY = RecordContent.of({ key: null, value: null });
const item = (topic: string, bytes: number) => ({
  record: {
    topic,
    bytes,
    content: EMPTY,
    added: [],
    addedBytes: 0,
    addedCount: 0,
    originPartition: 0,
  } satisfies OutgoingRecord,
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
          const { parts, records, taken, bytes } = nextRound(queue, ({ partition }) => partition);
          expect(taken).toBeGreaterThan(0);
          expect(new Set(parts.map(({ topic, partition }) => `${topic}/${partition}`)).size).toBe(parts.length);
          for (const part of parts) {
            expect(part.bytes).toBe(part.items.reduce((sum, { record }) => sum + record.bytes, 0));
            expect(part.items.length === 1 || part.bytes <= BATCH_BYTES_MAX).toBe(true);
            for (const item of part.items)
              expect([item.record.topic, item.partition]).toEqual([part.topic, part.partition]);
            expect(part.items).toEqual(part.items.toSorted((a, b) => a.index - b.index));
          }
          expect(bytes).toBe(parts.reduce((sum, part) => sum + part.bytes, 0));
          expect(records).toBe(taken);
          sent.push(...parts.flatMap(({ items: carried }) => carried).sort((a, b) => a.index - b.index));
          queue = queue.slice(taken);
        }
        expect(sent).toEqual(items);
      }),
    );
  });

  test("leave out what goes elsewhere, and end before what must wait", () => {
    const queue = [item("a", 1), item("elsewhere", 1), item("a", 2), item("wait", 1), item("a", 3)];
    const { parts, taken } = nextRound(queue, ({ record: { topic } }) =>
      topic === "elsewhere" ? "elsewhere" : topic === "wait" ? "stop" : 0,
    );
    expect(parts.map(({ items }) => items.map(({ record }) => record.bytes))).toEqual([[1, 2]]);
    expect(taken).toBe(3);
  });
});
