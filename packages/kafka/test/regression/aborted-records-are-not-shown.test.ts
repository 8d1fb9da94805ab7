import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { Kafka, logLevel, type Producer } from "kafkajs";
import { type Admin, topicsReady } from "../../src/index.ts";
import { testClient } from "../read-topic.ts";

/*
 * What kafkajs 2.2.4 does wrong: at each record it takes one transaction at most from the broker's list of aborted ones, which is
 * in the order in which they ended.
 *
 *   offset          0          1          2          3          4          5
 *   one             begin ─── aborted ─────────────► aborted ─► abort
 *   other                                 begin ─► … abort                  list: other (2), one (0)
 *   kafkajs                    shown      …                                 waits for offset 2 before it looks at the next
 */
const WAIT_MS = 60_000;
const TEST_MS = 180_000;
const { kafkaBrokers } = testEnvironment();
const client = testClient(kafkaBrokers);
const kafka = new Kafka({ brokers: kafkaBrokers.split(","), logLevel: logLevel.NOTHING });
let admin: Admin;
let one: Producer;
let other: Producer;
const topics: string[] = [];

const transactional = () =>
  kafka.producer({ transactionalId: uniqueName("aborts"), idempotent: true, maxInFlightRequests: 1 });

beforeAll(async () => {
  admin = client.admin();
  [one, other] = [transactional(), transactional()];
  await Promise.all([admin.connect(), one.connect(), other.connect()]);
}, WAIT_MS);
afterAll(async () => {
  await admin.deleteTopics({ topics });
  await Promise.all([admin.disconnect(), one.disconnect(), other.disconnect()]);
});

async function newTopic(): Promise<string> {
  const topic = uniqueName("aborts");
  topics.push(topic);
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1 }] });
  await topicsReady(admin, [topic]);
  return topic;
}

type Transaction = Awaited<ReturnType<Producer["transaction"]>>;
const write = (to: Transaction, topic: string, value: string, key: Buffer | null = null) =>
  to.send({ topic, messages: [{ key, value }] });

/** One value of a transaction that is committed, behind all others: a reader is at the end when it has seen it. */
async function end(topic: string): Promise<void> {
  const last = await one.transaction();
  await write(last, topic, "end");
  await last.commit();
}

/** What a reader that begins at an offset is shown, until the end. */
async function shown(topic: string, from: string): Promise<string[]> {
  const consumer = client.consumer({ groupId: uniqueName("reader"), maxWaitTimeInMs: 100 });
  const values: string[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    // As often as it joins: before that there is no group to seek in, and a busy broker may have it join again.
    consumer.on(consumer.events.GROUP_JOIN, () => consumer.seek({ topic, partition: 0, offset: from }));
    await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => void values.push(`${message.value}`) });
    await waitUntil("the end is shown", 2 * WAIT_MS, () => (values.includes("end") ? true : undefined));
  } finally {
    await consumer.disconnect();
  }
  return values;
}

describe("records of an aborted transaction are shown to nobody", () => {
  test(
    "when another began after it and was aborted before it",
    async () => {
      const topic = await newTopic();
      const first = await one.transaction();
      await write(first, topic, "aborted last");
      const second = await other.transaction();
      await write(second, topic, "aborted first");
      await second.abort();
      await write(first, topic, "aborted last");
      await first.abort();
      await end(topic);
      expect(await shown(topic, "0")).toEqual(["end"]);
    },
    TEST_MS,
  );

  test(
    "when a reader begins in the midst of two",
    async () => {
      const topic = await newTopic();
      const [first, second] = [await one.transaction(), await other.transaction()];
      await write(first, topic, "aborted");
      await write(second, topic, "aborted");
      const [written] = await write(second, topic, "aborted");
      await write(first, topic, "aborted");
      await first.abort();
      await second.abort();
      await end(topic);
      expect(written?.baseOffset).toBe("2");
      expect(await shown(topic, "2")).toEqual(["end"]);
    },
    TEST_MS,
  );

  test(
    "when a key looks like the mark that ends a transaction",
    async () => {
      const topic = await newTopic();
      const first = await one.transaction();
      await write(first, topic, "aborted", Buffer.alloc(4));
      await write(first, topic, "aborted");
      await first.abort();
      await end(topic);
      expect(await shown(topic, "0")).toEqual(["end"]);
    },
    TEST_MS,
  );

  test(
    "and what was committed between them is shown",
    async () => {
      const topic = await newTopic();
      const [first, second] = [await one.transaction(), await other.transaction()];
      await write(second, topic, "committed 1");
      await write(first, topic, "aborted");
      await write(second, topic, "committed 2");
      await first.abort();
      await write(second, topic, "committed 3");
      await second.commit();
      await end(topic);
      expect(await shown(topic, "0")).toEqual(["committed 1", "committed 2", "committed 3", "end"]);
    },
    TEST_MS,
  );
});
