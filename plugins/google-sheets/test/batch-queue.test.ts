import { describe, expect, test } from "@jest/globals";
import { BatchQueue } from "../src/batch-queue.ts";

const never = new AbortController().signal;

/** Work that waits to be let on, and tells what it was given. */
function gatedWork() {
  const batches: (readonly number[])[] = [];
  const gates: (() => void)[] = [];
  const work = async (items: readonly number[]) => {
    batches.push(items);
    await new Promise<void>((resolve) => gates.push(resolve));
    if (items.includes(-1)) throw new Error("this batch failed");
    return items.map((item) => item * 10);
  };
  /** Lets one batch end and what follows it begin. */
  const open = async () => {
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { batches, work, open };
}

describe("the batch queue", () => {
  test("gathers what arrives during a batch, in order, within both limits, and answers each its own", async () => {
    const queue = new BatchQueue<number, number>({ itemsMax: 3, weightMax: 10 });
    const { batches, work, open } = gatedWork();
    const weights = [1, 1, 1, 1, 8, 3, 50, 1];
    const results = Promise.all(weights.map((weight, item) => queue.submit("sheet", item, weight, work, never)));
    for (let i = 0; i < 6; i++) await open();
    expect(await results).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
    expect(batches).toEqual([[0], [1, 2, 3], [4], [5], [6], [7]]);
  });

  test("keys do not wait for each other", async () => {
    const queue = new BatchQueue<number, number>({ itemsMax: 3, weightMax: 10 });
    const { batches, work, open } = gatedWork();
    const both = Promise.all([queue.submit("a", 1, 1, work, never), queue.submit("b", 2, 1, work, never)]);
    expect(batches).toEqual([[1], [2]]);
    await open();
    await open();
    expect(await both).toEqual([10, 20]);
  });

  test("a batch that fails rejects its own items and none after it", async () => {
    const queue = new BatchQueue<number, number>({ itemsMax: 1, weightMax: 10 });
    const { work, open } = gatedWork();
    const settled = Promise.allSettled([-1, 2].map((item) => queue.submit("a", item, 1, work, never)));
    await open();
    await open();
    expect((await settled).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  test("an item whose caller gave up while it waited is in no batch", async () => {
    const queue = new BatchQueue<number, number>({ itemsMax: 5, weightMax: 10 });
    const { batches, work, open } = gatedWork();
    const controller = new AbortController();
    const first = queue.submit("a", 1, 1, work, never);
    const given = queue.submit("a", 2, 1, work, controller.signal);
    const third = queue.submit("a", 3, 1, work, never);
    controller.abort(new Error("gave up"));
    await expect(given).rejects.toThrow("gave up");
    await open();
    await open();
    expect([await first, await third]).toEqual([10, 30]);
    expect(batches).toEqual([[1], [3]]);
  });
});
