import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DAY_MS, ensureTopics, topicsReady } from "@plugboard/kafka";
import { type KafkaCluster, startKafka, uniqueName, waitUntil } from "@plugboard/stack";
import { Kafka, logLevel } from "kafkajs";
import { readTopic, testClient, withAdmin } from "../read-topic.ts";

/*
 * What kafkajs 2.2.4 does wrong, in one send of a record to each of two partitions:
 *
 *   broker X leads 0:  takes the record of 0, answers ────────► for this send, X counts as done
 *   broker Y leads 1:  frozen ── X is elected leader of 1 ── Y dies ── retry: 1 is X's now, X is done, nothing is sent
 *                                                                     └─► send resolves, the record of 1 is nowhere
 */
const X = 0;
const Y = 1;
const Z = 2;
const node = (broker: number) => broker + 1;
const START_MS = 120_000;
const TEST_MS = 120_000;
const ELECTION_MS = 60_000;

let kafka: KafkaCluster;

beforeAll(async () => {
  kafka = await startKafka({ brokers: 3 });
}, START_MS);

afterAll(() => kafka.stop());

/** Sends one value to each of the partitions 0 and 1, and resolves when both are acknowledged. */
type SendBoth = (topic: string, value: string) => Promise<unknown>;

/** A topic whose partition 0 is led by X, and whose partition 1 is led by Y and, after it, by X. */
async function topicAcrossXAndY(): Promise<string> {
  const topic = uniqueName("leader-change");
  const replicaAssignment = [
    { partition: 0, replicas: [node(X), node(Z), node(Y)] },
    { partition: 1, replicas: [node(Y), node(X), node(Z)] },
  ];
  await withAdmin(testClient(kafka.brokers), async (admin) => {
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic, replicaAssignment }] });
    await topicsReady(admin, [topic]);
  });
  return topic;
}

/** Has Y die after X has answered, and gives what is stored once the send is acknowledged. */
async function sendThroughLeaderChange(
  sendBoth: SendBoth,
  answered: () => boolean = () => true,
): Promise<Record<number, string[]>> {
  const topic = await topicAcrossXAndY();
  await sendBoth(topic, "before");
  await kafka.pause(Y);
  try {
    const outcome = sendBoth(topic, "during").then(
      () => "acknowledged",
      (error: Error) => error.message,
    );
    await leaderChanged(topic);
    await waitUntil("X has answered", ELECTION_MS, () => (answered() ? true : undefined));
    await kafka.kill(Y);
    expect(await outcome).toBe("acknowledged");
  } finally {
    await kafka.kill(Y);
    await kafka.start(Y);
  }
  const records = await readTopic(testClient(kafka.brokers), topic);
  const stored = (wanted: number) =>
    records.filter(({ partition }) => partition === wanted).map(({ value }) => String(value));
  return { 0: stored(0), 1: stored(1) };
}

/** Waits until X leads partition 1, and partition 0 has its second record. */
async function leaderChanged(topic: string): Promise<void> {
  // It may ask the frozen broker too, which never answers: it must not wait for that long.
  const admin = new Kafka({
    brokers: [X, Z].map((broker) => String(kafka.addresses[broker])),
    logLevel: logLevel.NOTHING,
    requestTimeout: 1_000,
    retry: { retries: 1 },
  }).admin();
  const changed = async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const leader = topics[0]?.partitions.find(({ partitionId }) => partitionId === 1)?.leader;
    if (leader !== node(X)) return undefined;
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.find(({ partition }) => partition === 0)?.high === "2" ? true : undefined;
  };
  await admin.connect();
  try {
    await waitUntil("X leads partition 1 and has the record of partition 0", ELECTION_MS, () =>
      changed().catch(() => undefined),
    );
  } finally {
    await admin.disconnect();
  }
}

describe("a record acknowledged while its partition's leader dies", () => {
  test(
    "is lost by kafkajs's own producer: the reason that nobody uses it",
    async () => {
      const producer = new Kafka({ brokers: [...kafka.addresses], logLevel: logLevel.NOTHING }).producer({
        createPartitioner:
          () =>
          ({ message }) =>
            message.partition ?? 0,
      });
      await producer.connect();
      try {
        const stored = await sendThroughLeaderChange((topic, value) => {
          const messages = [0, 1].map((partition) => ({ partition, value }));
          return producer.send({ topic, messages, acks: -1 });
        });
        expect(stored).toEqual({ 0: ["before", "during"], 1: ["before"] });
      } finally {
        await producer.disconnect();
      }
    },
    TEST_MS,
  );

  test(
    "is kept by the safe producer",
    async () => {
      const producer = testClient(kafka.brokers).producer();
      await producer.connect();
      try {
        const stored = await sendThroughLeaderChange((topic, value) =>
          producer.send(
            topic,
            [0, 1].map((partition) => ({ key: null, value, partition })),
          ),
        );
        expect(stored).toEqual({ 0: ["before", "during"], 1: ["before", "during"] });
      } finally {
        await producer.disconnect();
      }
    },
    TEST_MS,
  );
});

describe("the safe producer", () => {
  test(
    "loses nothing it acknowledged and keeps each key's order while every broker is killed in turn",
    async () => {
      const client = testClient(kafka.brokers);
      const topic = uniqueName("kills");
      await withAdmin(client, (admin) =>
        ensureTopics(admin, [{ topic, partitions: 6, replicationFactor: 3, retentionMs: DAY_MS }]),
      );
      const producer = client.producer();
      await producer.connect();
      const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);
      const acknowledged: number[] = [];
      let killing = true;
      const sending = (async () => {
        for (let round = 0; killing; round++) {
          const send = () =>
            producer.send(
              topic,
              keys.map((key) => ({ key, value: String(round) })),
            );
          // A call that failed is repeated before the next one, as a caller who wants order does.
          await waitUntil(`round ${round} is acknowledged`, ELECTION_MS, () =>
            send().then(
              () => true,
              () => undefined,
            ),
          );
          acknowledged.push(round);
        }
      })();
      for (const broker of [X, Y, Z]) {
        const before = acknowledged.length;
        await kafka.kill(broker);
        await waitUntil("sending goes on", ELECTION_MS, () => (acknowledged.length > before + 5 ? true : undefined));
        await kafka.start(broker);
      }
      killing = false;
      await sending;
      await producer.disconnect();
      const stored = await readTopic(client, topic);
      for (const key of keys) {
        const rounds = stored.filter((record) => record.key === key).map(({ value }) => Number(value));
        // A request whose answer was lost is written twice; the first of each must be there and in order.
        expect([...new Set(rounds)]).toEqual(acknowledged);
      }
    },
    3 * ELECTION_MS + TEST_MS,
  );
});
