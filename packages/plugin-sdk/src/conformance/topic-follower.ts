import { randomBytes } from "node:crypto";
import { type Consumer, headerReader, type KafkaClient, type KafkaMessage } from "@plugboard/kafka";

/** A record that was read, with its headers as text. */
export interface ReadRecord {
  readonly key: string | null;
  readonly value: string;
  readonly header: (name: string) => string | undefined;
}

/** Follows a topic from its beginning, and keeps what it reads. */
export class TopicFollower {
  readonly records: ReadRecord[] = [];
  readonly #consumer: Consumer;

  private constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  static async open(kafka: KafkaClient, topic: string): Promise<TopicFollower> {
    const groupId = `conformance-${randomBytes(5).toString("hex")}`;
    const follower = new TopicFollower(kafka.consumer({ groupId, maxWaitTimeInMs: 50 }));
    await follower.#consumer.connect();
    await follower.#consumer.subscribe({ topic, fromBeginning: true });
    await follower.#consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => void follower.records.push(asRead(message)),
    });
    return follower;
  }

  async close(): Promise<void> {
    await this.#consumer.disconnect();
  }
}

function asRead({ key, value, headers }: KafkaMessage): ReadRecord {
  return { key: key?.toString() ?? null, value: value?.toString() ?? "", header: headerReader(headers) };
}
