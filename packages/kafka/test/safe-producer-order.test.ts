import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type OutgoingRecord, SafeProducer } from "../src/safe-producer.ts";
import { FakeKafka, type Fate } from "./fake-kafka.ts";

const good = fc.record({ turns: fc.nat(4), fails: fc.constant<Fate["fails"]>("no") });
const anyFate = fc.record({
  turns: fc.nat(4),
  fails: fc.constantFrom<Fate["fails"]>("no", "before", "after", "unnamed"),
});
/** Calls, each a list of keys; values are numbered in the order of the calls. */
const calls = fc.array(fc.array(fc.integer({ min: 0, max: 7 }).map(String), { minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 12,
});
const options = fc.record({
  chunkRecordsMax: fc.integer({ min: 1, max: 5 }),
  chunkBytesMax: fc.integer({ min: 80, max: 500 }),
  pendingBytesMax: fc.integer({ min: 1, max: 1000 }),
});

function numbered(keysOfCalls: readonly (readonly string[])[]): OutgoingRecord[][] {
  let number = 0;
  return keysOfCalls.map((keys) => keys.map((key) => ({ key, value: `${key}:${number++}` })));
}

const keyOf = (value: string) => value.slice(0, value.indexOf(":"));
const numberOf = (value: string) => Number(value.slice(value.indexOf(":") + 1));

describe("overlapping calls of the safe producer", () => {
  test("write every record once, each key's in the order they were given, one request per partition at a time", async () => {
    await fc.assert(
      fc.asyncProperty(calls, fc.array(good, { minLength: 1, maxLength: 10 }), options, async (keys, fates, limits) => {
        const kafka = new FakeKafka(3, fates);
        const producer = new SafeProducer(kafka.asKafka(), limits);
        const given = numbered(keys);
        await Promise.all(given.map((records) => producer.send("topic", records)));
        const written = kafka.partitions.flat();
        expect(written.toSorted()).toEqual(
          given
            .flat()
            .map(({ value }) => String(value))
            .toSorted(),
        );
        for (const values of kafka.partitions) {
          for (const key of new Set(values.map(keyOf))) {
            const numbers = values.filter((value) => keyOf(value) === key).map(numberOf);
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
          }
        }
        expect(kafka.inFlightMax).toBe(1);
        for (const { messages } of kafka.requests) expect(messages.length).toBeLessThanOrEqual(limits.chunkRecordsMax);
      }),
      { numRuns: 150 },
    );
  });

  test("never resolve with a record missing, whatever fails on the way", async () => {
    await fc.assert(
      fc.asyncProperty(
        calls,
        fc.array(anyFate, { minLength: 1, maxLength: 10 }),
        options,
        async (keys, fates, limits) => {
          const kafka = new FakeKafka(3, fates);
          const producer = new SafeProducer(kafka.asKafka(), limits);
          const given = numbered(keys);
          const results = await Promise.allSettled(given.map((records) => producer.send("topic", records)));
          const written = new Set(kafka.partitions.flat());
          for (const [index, result] of results.entries()) {
            if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "produce-incomplete" });
            else for (const { value } of given[index] ?? []) expect(written.has(String(value))).toBe(true);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test("hold no more bytes than the limit, except for one call that is larger alone", async () => {
    await fc.assert(
      fc.asyncProperty(calls, fc.array(good, { minLength: 1, maxLength: 10 }), options, async (keys, fates, limits) => {
        const kafka = new FakeKafka(3, fates);
        const producer = new SafeProducer(kafka.asKafka(), limits);
        const given = numbered(keys);
        await Promise.all(given.map((records) => producer.send("topic", records)));
        const largest = Math.max(...given.map((records) => records.map(({ value }) => String(value)).join("").length));
        expect(kafka.bytesInFlightMax).toBeLessThanOrEqual(Math.max(limits.pendingBytesMax, largest));
      }),
      { numRuns: 150 },
    );
  });

  test("ask for a topic's partitions once", async () => {
    const kafka = new FakeKafka(3, [{ turns: 1, fails: "no" }]);
    const producer = new SafeProducer(kafka.asKafka());
    await Promise.all(numbered([["a"], ["b"], ["c"]]).map((records) => producer.send("topic", records)));
    expect(kafka.metadataRequests).toBe(1);
  });

  test("are all waited for by disconnect", async () => {
    const kafka = new FakeKafka(1, [{ turns: 3, fails: "no" }]);
    const producer = new SafeProducer(kafka.asKafka(), { pendingBytesMax: 1 });
    const sends = numbered([["a"], ["b"], ["c"]]).map((records) => producer.send("topic", records));
    await producer.disconnect();
    expect(kafka.partitions[0]).toHaveLength(3);
    await Promise.all(sends);
  });
});

describe("a failed call", () => {
  test("names the topic and keeps the cause", async () => {
    const kafka = new FakeKafka(1, [{ turns: 0, fails: "before" }]);
    const producer = new SafeProducer(kafka.asKafka());
    await expect(producer.send("topic", [{ key: "a", value: "a:1" }])).rejects.toMatchObject({
      code: "produce-incomplete",
      message: expect.stringContaining("topic topic: the leader is gone"),
      cause: expect.objectContaining({ message: "the leader is gone" }),
    });
  });

  test("is one whose answer does not name the partition asked for", async () => {
    const kafka = new FakeKafka(2, [{ turns: 0, fails: "unnamed" }]);
    const producer = new SafeProducer(kafka.asKafka());
    await expect(producer.send("topic", [{ key: null, value: "a:1", partition: 1 }])).rejects.toThrow(
      /asked for partition 1, the answer names \[\]/,
    );
  });

  test("does not hold up the ones after it, and has the partitions asked for anew", async () => {
    const kafka = new FakeKafka(1, [
      { turns: 2, fails: "before" },
      { turns: 0, fails: "no" },
    ]);
    const producer = new SafeProducer(kafka.asKafka());
    const [first, second] = await Promise.allSettled(
      numbered([["a"], ["a"]]).map((records) => producer.send("topic", records)),
    );
    expect([first?.status, second?.status]).toEqual(["rejected", "fulfilled"]);
    await producer.send("topic", [{ key: "a", value: "a:3" }]).catch(() => {});
    expect(kafka.metadataRequests).toBe(2);
  });
});
