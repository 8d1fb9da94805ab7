import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { OffsetTracker } from "../../src/domain/offset-tracker.ts";

describe("offset tracker", () => {
  test("commits up to the first stretch that is not settled", () => {
    const tracker = new OffsetTracker();
    for (const end of [10, 25, 31]) tracker.begin(0, end);
    tracker.settle(0, 31);
    expect([...tracker.take()]).toEqual([]);
    tracker.settle(0, 10);
    expect([...tracker.take()]).toEqual([[0, 10]]);
    tracker.settle(0, 25);
    expect([...tracker.take()]).toEqual([[0, 31]]);
    expect([...tracker.take()]).toEqual([]);
  });

  test("an offset given back is taken again, unless a later one has been reached", () => {
    const tracker = new OffsetTracker();
    tracker.begin(0, 10);
    tracker.begin(0, 20);
    tracker.settle(0, 10);
    const failed = tracker.take();
    tracker.giveBack(failed);
    expect([...tracker.take()]).toEqual([[0, 10]]);
    tracker.settle(0, 20);
    tracker.giveBack(failed);
    expect([...tracker.take()]).toEqual([[0, 20]]);
  });

  test("refuses what a caller gets wrong", () => {
    const tracker = new OffsetTracker();
    tracker.begin(0, 10);
    expect(() => tracker.begin(0, 10)).toThrow(/begun after/);
    expect(() => tracker.settle(0, 11)).toThrow(/no open stretch/);
    expect(() => tracker.settle(1, 10)).toThrow(/no open stretch/);
  });

  test("tells when nothing is outstanding", async () => {
    const tracker = new OffsetTracker();
    await tracker.whenIdle();
    tracker.begin(3, 1);
    let idle = false;
    const waiting = tracker.whenIdle().then(() => {
      idle = true;
    });
    await Promise.resolve();
    expect(idle).toBe(false);
    tracker.settle(3, 1);
    await waiting;
    expect(tracker.outstanding).toBe(0);
  });

  test("never passes an unsettled offset and ends at the last one, whatever the order and whichever commits fail", () => {
    const stretch = fc.record({ partition: fc.integer({ min: 0, max: 3 }), length: fc.integer({ min: 1, max: 50 }) });
    fc.assert(
      fc.property(
        fc.array(stretch, { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.boolean()),
        (stretches, picks, fails) => {
          const tracker = new OffsetTracker();
          const open = new Map<number, number[]>();
          const reached = new Map<number, number>();
          const begun: { partition: number; end: number }[] = [];
          for (const { partition, length } of stretches) {
            const end = (reached.get(partition) ?? 0) + length;
            reached.set(partition, end);
            tracker.begin(partition, end);
            open.set(partition, [...(open.get(partition) ?? []), end]);
            begun.push({ partition, end });
          }
          const committed = new Map<number, number>();
          while (begun.length > 0) {
            const [{ partition, end }] = begun.splice((picks.next().value as number) % begun.length, 1) as [
              { partition: number; end: number },
            ];
            tracker.settle(partition, end);
            open.set(partition, open.get(partition)?.filter((item) => item !== end) ?? []);
            const taken = tracker.take();
            if (fails.next().value) tracker.giveBack(taken);
            else for (const [key, offset] of taken) committed.set(key, offset);
            for (const [key, offset] of committed)
              for (const unsettled of open.get(key) ?? []) expect(offset).toBeLessThan(unsettled);
          }
          for (const [key, offset] of tracker.take()) committed.set(key, offset);
          expect(committed).toEqual(reached);
          expect(tracker.outstanding).toBe(0);
        },
      ),
    );
  });
});
