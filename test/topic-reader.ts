import { DELIVERY_HEADER } from "@plugboard/contract";
import type { Consumer, KafkaClient, KafkaMessage } from "@plugboard/kafka";
import { uniqueName, waitUntil } from "@plugboard/stack";

const WAIT_MS = 60_000;

/** A record and the partition it stands in. */
export type ReadRecord = KafkaMessage & { readonly partition: number };

/** Follows a topic from its beginning and keeps what it reads. */
export class TopicReader {
  readonly records: ReadRecord[] = [];
  readonly #deliveries = new Map<string, number>();
  readonly #consumer: Consumer;
  readonly #topic: string;

  private constructor(consumer: Consumer, topic: string) {
    this.#consumer = consumer;
    this.#topic = topic;
  }

  static async open(kafka: KafkaClient, topic: string): Promise<TopicReader> {
    const consumer = kafka.consumer({ groupId: uniqueName("reader"), maxWaitTimeInMs: 100 });
    const reader = new TopicReader(consumer, topic);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message, partition }) => reader.#keep({ ...message, partition }),
    });
    return reader;
  }

  /** Identities of the deliveries read so far, each counted. */
  get deliveries(): ReadonlyMap<string, number> {
    return this.#deliveries;
  }

  /** Waits until every one of these deliveries has been read. */
  async has(ids: readonly string[]): Promise<void> {
    await this.until(`${ids.length} deliveries`, () => {
      const { deliveries } = this;
      return ids.every((id) => deliveries.has(id));
    });
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    await waitUntil(
      `${what} in ${this.#topic} (${this.records.length} records read)`,
      WAIT_MS,
      () => condition() || undefined,
    );
  }

  #keep(record: ReadRecord): void {
    this.records.push(record);
    const id = headerOf(record, DELIVERY_HEADER.id) ?? "none";
    this.#deliveries.set(id, (this.#deliveries.get(id) ?? 0) + 1);
  }

  close(): Promise<void> {
    return this.#consumer.disconnect();
  }
}

/** A header as text. */
export function headerOf(record: KafkaMessage | undefined, name: string): string | undefined {
  const value = record?.headers?.[name];
  return (Array.isArray(value) ? value.at(-1) : value)?.toString();
}
