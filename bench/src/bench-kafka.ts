import { Admin, ListOffsetTimestamps, Producer } from "@platformatic/kafka";
import { waitUntil } from "@plugboard/stack";

/** Above the workload's largest record, with what routers add to it. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
const READY_MS = 60_000;
const REQUEST_TIMEOUT_MS = 30_000;

export interface TopicPlan {
  readonly names: readonly string[];
  readonly partitions: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** What the harness asks of the broker besides reading. */
export class BenchKafka {
  readonly brokers: string;
  readonly #admin: Admin;

  constructor(brokers: string) {
    this.brokers = brokers;
    this.#admin = new Admin({ ...clientOptions(brokers), clientId: "bench-admin" });
    this.#admin.on("error", () => {});
  }

  /** The broker stamps records when it appends them: no clock of a router's own is believed. */
  async createTopics({ names, partitions, configs = {} }: TopicPlan): Promise<void> {
    if (names.length === 0) return;
    const all = {
      "message.timestamp.type": "LogAppendTime",
      "max.message.bytes": String(MESSAGE_BYTES_MAX),
      "file.delete.delay.ms": "1000",
      ...configs,
    };
    await this.#admin.createTopics({
      topics: [...names],
      partitions,
      replicas: 1,
      configs: Object.entries(all).map(([name, value]) => ({ name, value })),
    });
    await waitUntil("new topics have leaders", READY_MS, async () => {
      try {
        await this.ends(names, partitions);
        return true;
      } catch {
        return undefined;
      }
    });
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#admin.deleteTopics({ topics: [...names] });
  }

  async topics(): Promise<string[]> {
    return await this.#admin.listTopics();
  }

  /** The sum of all partitions' end offsets, per topic. */
  async ends(names: readonly string[], partitions: number): Promise<Map<string, number>> {
    const request = Array.from({ length: partitions }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: ListOffsetTimestamps.LATEST,
    }));
    const answer = await this.#admin.listOffsets({ topics: names.map((name) => ({ name, partitions: request })) });
    return new Map(
      answer.map((topic) => [topic.name, topic.partitions.reduce((sum, { offset }) => sum + Number(offset), 0)]),
    );
  }

  /** The sum of the offsets a group has committed in a topic; 0 as long as there are none. */
  async committed(group: string, topic: string, partitions: number): Promise<number> {
    const partitionIndexes = Array.from({ length: partitions }, (_, index) => index);
    try {
      const [answer] = await this.#admin.listConsumerGroupOffsets({
        groups: [{ groupId: group, topics: [{ name: topic, partitionIndexes }] }],
      });
      const found = answer?.topics.flatMap((known) => known.partitions) ?? [];
      return found.reduce((sum, { committedOffset }) => sum + Math.max(0, Number(committedOffset)), 0);
    } catch {
      // The group does not exist yet, or its coordinator is still loading.
      return 0;
    }
  }

  /** How many members a group has; 0 while it shares its partitions out anew. */
  async membersOf(group: string): Promise<number> {
    const found = (await this.#admin.describeGroups({ groups: [group] })).get(group);
    return found?.state === "Stable" ? found.members.size : 0;
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }
}

/** @param brokers comma-separated. */
export function clientOptions(brokers: string) {
  return { bootstrapBrokers: brokers.split(","), requestTimeout: REQUEST_TIMEOUT_MS };
}

/** A producer that loses nothing and keeps the order. */
export function createProducer(brokers: string): Producer<Buffer, Buffer, Buffer, Buffer> {
  const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
    ...clientOptions(brokers),
    clientId: "bench-producer",
    idempotent: true,
    producerId: -1n,
    producerEpoch: -1,
    autocreateTopics: false,
  });
  producer.on("error", () => {});
  return producer;
}
