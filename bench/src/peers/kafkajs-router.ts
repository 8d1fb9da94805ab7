import { readFileSync } from "node:fs";
import { Kafka, logLevel, type TopicMessages } from "kafkajs";

/**
 * The router that a Node developer writes after reading kafkajs's documentation: JSON.parse, a Map, `sendBatch` per batch,
 * offsets resolved behind it. Its producer can lose acknowledged records when a leader changes; no broker falls over here.
 */
const env = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const prefix = env("BENCH_PREFIX");
const table = new Map(
  readFileSync(env("BENCH_ROUTES"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [team = "", ...plugins] = line.split(" ");
      return [team, plugins.map((plugin) => prefix + plugin)] as const;
    }),
);
const kafka = new Kafka({
  clientId: "kafkajs-router",
  brokers: env("BENCH_BROKERS").split(","),
  logLevel: logLevel.ERROR,
});
// Not idempotent, as most are written: that would allow one request under way. Order and retries are the caller's luck.
const producer = kafka.producer({ allowAutoTopicCreation: false });
const consumer = kafka.consumer({
  groupId: env("BENCH_GROUP"),
  maxWaitTimeInMs: 500,
  maxBytesPerPartition: 2 * 1024 * 1024,
});
/** The producer groups a topic's messages in quadratic time: below this it does not show. */
const MESSAGES_PER_TOPIC_MAX = 500;

await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: env("BENCH_INPUT"), fromBeginning: true });
await consumer.run({
  partitionsConsumedConcurrently: 6,
  eachBatchAutoResolve: false,
  autoCommitInterval: 500,
  eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary }) => {
    let byTopic = new Map<string, TopicMessages["messages"]>();
    const send = async (offset: string) => {
      if (byTopic.size > 0)
        await producer.sendBatch({
          acks: -1,
          topicMessages: [...byTopic].map(([topic, messages]) => ({ topic, messages })),
        });
      byTopic = new Map();
      resolveOffset(offset);
      await heartbeat();
      await commitOffsetsIfNecessary();
    };
    for (const { key, value, headers = {}, offset } of batch.messages) {
      let full = false;
      for (const topic of table.get(teamOf(value, headers.ce_teamid)) ?? []) {
        const messages = byTopic.get(topic) ?? [];
        messages.push({ key, value, headers });
        byTopic.set(topic, messages);
        full ||= messages.length >= MESSAGES_PER_TOPIC_MAX;
      }
      if (full) await send(offset);
    }
    await send(batch.lastOffset());
  },
});

function teamOf(value: Buffer | null, header: unknown): string {
  if (header !== undefined) return String(header);
  const event = JSON.parse(String(value)) as { readonly team_id?: string; readonly teamid?: string };
  return event.team_id ?? event.teamid ?? "";
}

const stop = async () => {
  await consumer.disconnect();
  await producer.disconnect();
  process.exit(0);
};
process.once("SIGTERM", () => void stop());
