import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { type Admin, type SafeProducer, topicsReady } from "../../src/index.ts";
import { readTopic, testClient } from "../read-topic.ts";

const CODECS = ["gzip", "snappy", "lz4", "zstd"];
/** Longer than a block of any codec, and not the same all over. */
const LONG = Array.from({ length: 12_000 }, (_, index) => `réponse ${index}`).join(" ");

const kafka = testClient(testEnvironment().kafkaBrokers);
const topics = CODECS.map((codec) => ({ codec, topic: uniqueName(`compressed-${codec}`) }));
let admin: Admin;
let producer: SafeProducer;

beforeAll(async () => {
  admin = kafka.admin();
  producer = kafka.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  await admin.createTopics({
    waitForLeaders: false,
    topics: topics.map(({ codec, topic }) => ({
      topic,
      numPartitions: 1,
      configEntries: [{ name: "compression.type", value: codec }],
    })),
  });
  await topicsReady(
    admin,
    topics.map(({ topic }) => topic),
  );
});
afterAll(async () => {
  await admin.deleteTopics({ topics: topics.map(({ topic }) => topic) });
  await Promise.all([admin.disconnect(), producer.disconnect()]);
});

test.each(topics)("records that the broker compressed with $codec are read as they were written", async ({ topic }) => {
  const values = [LONG, "short", LONG.slice(0, 100_000)];
  await producer.send(
    topic,
    values.map((value) => ({ key: "k", value })),
  );
  const read = await readTopic(kafka, topic);
  expect(read.map(({ value }, index) => value?.toString() === values[index])).toEqual([true, true, true]);
});
