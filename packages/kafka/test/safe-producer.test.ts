import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DERIVED_MESSAGE_BYTES_MAX, ensureTopics, type SafeProducer } from "@plugboard/kafka";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { readTopic, testClient, withAdmin } from "./read-topic.ts";

const PARTITIONS = 6;
const client = testClient(testEnvironment().kafkaBrokers);
const topics: string[] = [];
let producer: SafeProducer;

async function newTopic(partitions = PARTITIONS): Promise<string> {
  const topic = uniqueName("safe-producer");
  topics.push(topic);
  await withAdmin(client, (admin) =>
    ensureTopics(admin, [{ topic, partitions, replicationFactor: 1, retentionMs: 3_600_000 }]),
  );
  return topic;
}

beforeAll(async () => {
  producer = client.producer();
  await producer.connect();
});

afterAll(async () => {
  await producer.disconnect();
  await withAdmin(client, (admin) => admin.deleteTopics({ topics }));
});

describe("the safe producer on a real broker", () => {
  test("puts a key into the partition that Java's producer puts it in", async () => {
    // Hashes from Kafka's own tests of its murmur2.
    const hashes = {
      "21": -973_932_308,
      foobar: -790_332_482,
      "a-little-bit-long-string": -985_981_536,
      "a-little-bit-longer-string": -1_486_304_829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58_897_971,
      abc: 479_470_107,
    };
    const topic = await newTopic();
    await producer.send(
      topic,
      Object.keys(hashes).map((key) => ({ key, value: "" })),
    );
    const stored = await readTopic(client, topic);
    const partitions = Object.fromEntries(stored.map(({ key, partition }) => [key, partition]));
    expect(partitions).toEqual(
      Object.fromEntries(Object.entries(hashes).map(([key, hash]) => [key, (hash & 0x7fff_ffff) % PARTITIONS])),
    );
  });

  test("keeps the order of each key across calls that overlap, and loses and doubles nothing", async () => {
    const topic = await newTopic();
    const small = client.producer({ chunkRecordsMax: 7, pendingBytesMax: 20_000 });
    await small.connect();
    const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
    const sends = Array.from({ length: 60 }, (_, call) =>
      small.send(
        topic,
        keys.map((key) => ({ key, value: `${call}` })),
      ),
    );
    await Promise.all(sends);
    await small.disconnect();
    const stored = await readTopic(client, topic);
    for (const key of keys) {
      const calls = stored.filter((record) => record.key === key).map(({ value }) => Number(value?.toString()));
      expect(calls).toEqual(sends.map((_, call) => call));
    }
  });

  test("writes keys, values and headers byte for byte, also empty and missing ones", async () => {
    const topic = await newTopic(1);
    const value = randomBytes(1000);
    await producer.send(topic, [
      { key: "k", value, headers: { one: "1", many: ["a", Buffer.from([0, 255])], none: undefined } },
      { key: null, value: null },
      { key: "", value: "" },
    ]);
    const [first, second, third] = await readTopic(client, topic);
    expect(first?.value?.equals(value)).toBe(true);
    expect(first?.headers).toMatchObject({ one: Buffer.from("1"), many: [Buffer.from("a"), Buffer.from([0, 255])] });
    expect(second).toMatchObject({ key: null, value: null });
    expect(third).toMatchObject({ key: "", value: Buffer.alloc(0) });
  });

  test("sends the largest records that topics take, several in one call", async () => {
    const topic = await newTopic(1);
    const value = randomBytes(DERIVED_MESSAGE_BYTES_MAX - 1000);
    await producer.send(
      topic,
      [1, 2, 3].map((number) => ({ key: "same", value, headers: { number: `${number}` } })),
    );
    const stored = await readTopic(client, topic);
    expect(stored.map(({ headers }) => headers.number?.toString())).toEqual(["1", "2", "3"]);
    expect(stored.every((record) => record.value?.equals(value))).toBe(true);
  });

  test("refuses a record that the topic does not take, and goes on", async () => {
    const topic = await newTopic(1);
    const tooLarge = { key: "a", value: randomBytes(DERIVED_MESSAGE_BYTES_MAX + 1000) };
    await expect(producer.send(topic, [tooLarge])).rejects.toMatchObject({ code: "produce-incomplete" });
    await producer.send(topic, [{ key: "a", value: "small" }]);
    expect(await readTopic(client, topic)).toHaveLength(1);
  });

  test("refuses a partition that does not exist", async () => {
    const topic = await newTopic(2);
    const send = producer.send(topic, [{ key: "a", value: "x", partition: 2 }]);
    await expect(send).rejects.toThrow(/asked for partition 2, the answer names \[\]/);
  });

  test("spreads records without a key", async () => {
    const topic = await newTopic();
    await producer.send(
      topic,
      Array.from({ length: 60 }, () => ({ key: null, value: "x" })),
    );
    const stored = await readTopic(client, topic);
    expect(new Set(stored.map(({ partition }) => partition)).size).toBeGreaterThan(1);
    expect(stored).toHaveLength(60);
  });
});
