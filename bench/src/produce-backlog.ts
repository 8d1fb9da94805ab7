import { compatibilityPartitioner, type MessageToProduce } from "@platformatic/kafka";
import { createProducer } from "./bench-kafka.ts";
import type { Workload } from "./workload.ts";

/** Bytes of one send: enough to be quick, below a broker's limit per partition. */
const SEND_BYTES_MAX = 2 * 1024 * 1024;

export interface ProduceOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly report: (doing: string) => void;
}

/** Writes all records of a workload to its topic, in order, before anybody reads. */
export async function produceBacklog(workload: Workload, options: ProduceOptions): Promise<void> {
  const { records, size } = workload.spec;
  const perSend = Math.max(1, Math.min(5_000, Math.floor(SEND_BYTES_MAX / size)));
  const producer = createProducer(options.brokers);
  try {
    for (let from = 0; from < records; from += perSend) {
      const messages = Array.from({ length: Math.min(perSend, records - from) }, (_, index) =>
        messageOf(workload, from + index, options.topic, options.partitions),
      );
      await producer.send({ messages, acks: -1 });
      options.report(`${from + messages.length} of ${records} records written`);
    }
  } finally {
    await producer.close(true);
  }
}

/** Keyed as Java's clients do it. */
export function messageOf(
  workload: Workload,
  serial: number,
  topic: string,
  partitions: number,
): MessageToProduce<Buffer, Buffer, Buffer, Buffer> {
  const { key, value, headers } = workload.record(serial);
  return { topic, partition: compatibilityPartitioner({ topic, value }, key) % partitions, key, value, headers };
}

/** Writes the routes as a compacted table: key team, value its plugins separated by spaces. */
export async function produceTable(workload: Workload, brokers: string, topic: string): Promise<void> {
  const producer = createProducer(brokers);
  try {
    let messages: MessageToProduce<Buffer, Buffer, Buffer, Buffer>[] = [];
    for (const { team, plugins } of workload.routes()) {
      messages.push({ topic, partition: 0, key: Buffer.from(team), value: Buffer.from(plugins.join(" ")) });
      if (messages.length === 5_000) {
        await producer.send({ messages, acks: -1 });
        messages = [];
      }
    }
    if (messages.length > 0) await producer.send({ messages, acks: -1 });
  } finally {
    await producer.close(true);
  }
}
