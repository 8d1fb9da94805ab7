import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { OffsetWindow } from "../../src/consumer/offset-window.ts";

describe("OffsetWindow", () => {
  test("never passes an offset that is not done, whatever the order in which they end", () => {
    const orders = fc
      .integer({ min: 1, max: 30 })
      .chain((size) => fc.shuffledSubarray([...Array(size).keys()]).map((order) => ({ size, order })));
    fc.assert(
      fc.property(orders, ({ size, order }) => {
        const window = new OffsetWindow([...Array(size).keys()].map((index) => String(100 + index)));
        const done = new Set<number>();
        for (const index of order) {
          window.done(index);
          done.add(index);
          let contiguous = 0;
          while (done.has(contiguous)) contiguous += 1;
          expect(window.lastDone()).toBe(contiguous === 0 ? null : String(99 + contiguous));
        }
      }),
    );
  });
});
