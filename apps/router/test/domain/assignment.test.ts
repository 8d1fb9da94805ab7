import { getEventListeners } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { Assignment, type Fetched } from "../../src/domain/assignment.ts";
import { ByteBudget } from "../../src/domain/byte-budget.ts";
import { RecordContent } from "../../src/domain/record-content.ts";

const record = (partition: number, offset: number) => ({
  partition,
  offset,
  timestampMs: 0,
  content: RecordContent.of({ key: null, value: null }),
});
const fetched = (partition: number, from: number, to: number, bytes: number): Fetched => ({
  partition,
  end: to,
  bytes,
  read: (into) => {
    for (let offset = from; offset < to; offset += 1) into.push(record(partition, offset));
  },
});

describe("an assignment", () => {
  const open = () => new Assignment("responses", { memberId: "m", generationId: 1 }, [0, 1]);

  test("knows its part of the topic, as far as the topic is known", () => {
    const shareWith = (partitions: number | null) => {
      const assignment = open();
      assignment.add(fetched(0, 0, 1, 1));
      return assignment.takeBatch(100, partitions)?.share;
    };
    expect([null, 1, 2, 8].map(shareWith)).toEqual([1, 1, 1, 0.25]);
  });

  test("joins waiting fetches into batches up to the bound, in order, and tracks each partition's end", () => {
    const assignment = open();
    assignment.add(fetched(0, 0, 3, 40));
    assignment.add(fetched(1, 5, 7, 40));
    assignment.add(fetched(0, 3, 4, 40));
    const first = assignment.takeBatch(100);
    expect(first?.records.map(({ partition, offset }) => [partition, offset])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 5],
      [1, 6],
    ]);
    expect(first?.bytes).toBe(80);
    expect([...(first?.ends ?? [])]).toEqual([
      [0, 3],
      [1, 7],
    ]);
    expect(assignment.takeBatch(100)?.ends).toEqual(new Map([[0, 4]]));
    expect(assignment.takeBatch(100)).toBeNull();
    expect(assignment.tracker.outstanding).toBe(3);
  });

  test("once reading stops, drops what no batch was made of, and lets batches in hand be settled", () => {
    const assignment = open();
    assignment.add(fetched(0, 0, 1, 10));
    const batch = assignment.takeBatch(100);
    assignment.add(fetched(0, 1, 2, 30));
    expect(assignment.stopReading()).toBe(30);
    expect(assignment.takeBatch(100)).toBeNull();
    expect(batch?.revoked.aborted).toBe(false);
    expect(assignment.end()).toBe(10);
    expect(batch?.revoked.aborted).toBe(true);
    expect(assignment.end()).toBe(0);
  });
});

describe("the budget of bytes in flight", () => {
  test("leaves nothing behind on a signal that outlives many waits", async () => {
    const budget = new ByteBudget(10);
    const { signal } = new AbortController();
    for (let wait = 0; wait < 50; wait += 1) {
      budget.take(10);
      const room = budget.room(signal);
      budget.release(10);
      await room;
    }
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("lets nobody in while it is used up, and all waiting once there is room", async () => {
    const seen: number[] = [];
    const budget = new ByteBudget(100, (bytes) => seen.push(bytes));
    const { signal } = new AbortController();
    await budget.room(signal);
    budget.take(150);
    let entered = 0;
    const waiting = [1, 2].map(() => budget.room(signal).then(() => (entered += 1)));
    await new Promise(setImmediate);
    expect(entered).toBe(0);
    budget.release(60);
    await Promise.all(waiting);
    expect(entered).toBe(2);
    expect(seen).toEqual([150, 90]);
    expect(() => budget.release(91)).toThrow(/more than were taken/);
  });

  test("a waiter leaves when it is aborted", async () => {
    const budget = new ByteBudget(1);
    budget.take(1);
    const controller = new AbortController();
    const waiting = budget.room(controller.signal);
    controller.abort();
    await waiting;
    expect(budget.bytes).toBe(1);
  });
});
