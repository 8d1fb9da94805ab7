import type { KafkaClient, KafkaMessage } from "@plugboard/kafka";
import { uniqueName, waitUntil } from "@plugboard/stack";

const READ_MS = 180_000;
const END_HEADER = "chaos-end";

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly message: KafkaMessage;
}

/**
 * Reads a topic from its beginning to where it ends now, as a read_committed consumer sees it, each record once. A marker
 * is written at the end of every partition: with transactions an end offset alone does not say when all is read.
 */
export async function readTopic(kafka: KafkaClient, topic: string, partitions: number): Promise<ReadRecord[]> {
  const token = uniqueName("end");
  const ends = Array.from({ length: partitions }, (_, partition) => ({
    key: END_HEADER,
    value: "",
    headers: { [END_HEADER]: token },
    partition,
  }));
  // One of its own: a producer that has been there for long may not know a partition added a moment ago.
  const producer = kafka.producer();
  await producer.connect();
  await producer.send(topic, ends).finally(() => producer.disconnect());
  const records = new Map<string, ReadRecord>();
  const ended = new Set<number>();
  const consumer = kafka.consumer({ groupId: uniqueName("history"), maxWaitTimeInMs: 100 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { partition, messages } }) => {
        for (const message of messages) {
          const end = message.headers?.[END_HEADER]?.toString();
          if (end === token) ended.add(partition);
          if (end !== undefined) continue;
          const offset = Number(message.offset);
          records.set(`${partition}/${offset}`, {
            partition,
            offset,
            timestampMs: Number(message.timestamp),
            message,
          });
        }
      },
    });
    await waitUntil(`${topic} is read`, READ_MS, () => ended.size === partitions || undefined);
  } finally {
    await consumer.disconnect();
  }
  return [...records.values()].sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** The last value of a header as text. */
export function headerText(message: KafkaMessage, name: string): string | undefined {
  const value = message.headers?.[name];
  return (Array.isArray(value) ? value.at(-1) : value)?.toString();
}
