import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { type Admin, createKafkaClient, ensureTopics, type SafeProducer } from "../../src/index.ts";

const topic = uniqueName("added");
const kafka = createKafkaClient(
  topic,
  { KAFKA_BROKERS: testEnvironment().kafkaBrokers.split(","), KAFKA_TLS: false },
  createLogger("test", "silent"),
);
let admin: Admin;
let producer: SafeProducer;

beforeAll(async () => {
  admin = kafka.admin();
  producer = kafka.producer({ metadataAgeMsMax: 1_000 });
  await Promise.all([admin.connect(), producer.connect()]);
  await ensureTopics(admin, [{ topic, partitions: 1, replicationFactor: 1, retentionMs: 3_600_000 }]);
});

afterAll(async () => {
  await admin.deleteTopics({ topics: [topic] });
  await Promise.all([admin.disconnect(), producer.disconnect()]);
});

test("a producer at work sends the keys of an added partition soon after it is there, not five minutes later", async () => {
  const records = Array.from({ length: 20 }, (_, index) => ({ key: `key-${index}`, value: "x" }));
  await producer.send(topic, records);
  await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
  await waitUntil("the added partition is written", 20_000, async () => {
    await producer.send(topic, records).catch(() => {});
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.some(({ partition, high }) => partition === 1 && Number(high) > 0) || undefined;
  });
  await expect(producer.send(topic, records)).resolves.toBeUndefined();
});
