import { type Admin, createKafkaClient, type IHeaders, type KafkaClient } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import { uniqueName, waitUntil } from "@plugboard/stack";

/** A record as it stands in a partition. */
export interface StoredRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
}

const READ_MS = 60_000;

/** A client of the brokers; what kafkajs logs is not shown. */
export function testClient(brokers: string): KafkaClient {
  const settings = { KAFKA_BROKERS: brokers.split(","), KAFKA_TLS: false };
  return createKafkaClient("test", settings, createLogger("test", "silent"));
}

/** Calls with a connected admin client. */
export async function withAdmin<T>(client: KafkaClient, call: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client.admin();
  await admin.connect();
  try {
    return await call(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Everything a topic holds at the moment of the call, each partition in its order. */
export async function readTopic(client: KafkaClient, topic: string): Promise<StoredRecord[]> {
  const offsets = await withAdmin(client, (admin) => admin.fetchTopicOffsets(topic));
  const missing = new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
  for (const [partition, high] of missing) if (high === 0) missing.delete(partition);
  const records: StoredRecord[] = [];
  if (missing.size === 0) return records;
  const consumer = client.consumer({ groupId: uniqueName("read"), maxWaitTimeInMs: 100 });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    // What a batch ended with, for the last of a partition may be a transaction's mark, which nobody is shown.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      if (Number(lastOffset) + 1 >= (missing.get(partition) ?? 0)) missing.delete(partition);
    });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        const offset = Number(message.offset);
        const key = message.key?.toString() ?? null;
        records.push({ partition, offset, key, value: message.value, headers: message.headers ?? {} });
      },
    });
    await waitUntil(`topic ${topic} is read`, READ_MS, () => (missing.size === 0 ? true : undefined));
  } finally {
    await consumer.disconnect();
  }
  return records;
}
