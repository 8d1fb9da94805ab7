import { FetchIsolationLevels, findErrorBy, ListOffsetTimestamps } from "@platformatic/kafka";
import { type KafkaSettings, withDeadline } from "@plugboard/runtime";
import type { SourceRecord } from "../domain/ports.ts";
import { type FetchAnswer, FetchConsumer, fetchRequest } from "./fetch-consumer.ts";
import { readPartition } from "./fetched-records.ts";
import { connectionOptions } from "./kafka-connection.ts";

/** Bytes of one fetch. A larger single record comes all the same. */
const FETCH_BYTES_MAX = 1024 * 1024;
/** How long a broker waits for records to come; it is only asked for those that are there. */
const FETCH_WAIT_MS = 100;
const DEADLINE_MS = 10_000;

/** What was read from an offset on. */
export type TopicRead =
  | {
      readonly kind: "records";
      readonly records: readonly SourceRecord[];
      /** Where to read on. */
      readonly next: number;
      /** Where the partition ends, as far as committed readers see. */
      readonly end: number;
      readonly bytes: number;
    }
  /** There is no such offset; the partition begins at `first`. */
  | { readonly kind: "out-of-range"; readonly first: number }
  /** The topic is another one of the same name: no offset of the old one means anything in it. */
  | { readonly kind: "made-anew" };

export interface TopicReaderOptions {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly topic: string;
}

/**
 * Reads a topic from any offset, as committed readers see it, over connections of its own. Every call ends within its
 * deadline.
 */
export class TopicReader {
  readonly #topic: string;
  readonly #fetcher: FetchConsumer;
  /** The topic's identity when a partition was last read. */
  readonly #topicIds = new Map<number, string>();

  constructor({ kafka, groupId, topic }: TopicReaderOptions) {
    this.#topic = topic;
    // Never joins the group; the client wants a group id of every consumer.
    this.#fetcher = new FetchConsumer({ ...connectionOptions(kafka, "plugboard-router-fetch"), groupId, retries: 0 });
    this.#fetcher.on("error", () => {});
    this.#fetcher.topics.track(topic);
  }

  async close(): Promise<void> {
    await this.#fetcher.close(true);
  }

  /** @throws when the partition's leader does not answer, or there is none. */
  async read(partition: number, offset: number): Promise<TopicRead> {
    try {
      const read = await withDeadline(
        this.#read(partition, offset),
        DEADLINE_MS,
        `${this.#topic}/${partition} cannot be read`,
      );
      return read as TopicRead;
    } catch (error) {
      this.#fetcher.clearMetadata();
      if (findErrorBy(error as Error, "apiId", "OFFSET_OUT_OF_RANGE") === null) throw error;
      return { kind: "out-of-range", first: await this.first(partition) };
    }
  }

  /** A partition's first offset. */
  async first(partition: number): Promise<number> {
    const topic = this.#topic;
    const work = this.#fetcher.listOffsets({
      topics: [topic],
      partitions: { [topic]: [partition] },
      timestamp: ListOffsetTimestamps.EARLIEST,
    });
    const offsets = await withDeadline(work, DEADLINE_MS, `the first offset of ${topic}/${partition} is not known`);
    const first = offsets?.get(topic)?.[partition];
    if (first === undefined) throw new Error(`no first offset of ${topic}/${partition} in the answer`);
    return Number(first);
  }

  async #read(partition: number, offset: number): Promise<TopicRead> {
    const { topics } = await this.#fetcher.metadata({ topics: [this.#topic] });
    const topic = topics.get(this.#topic);
    const node = topic?.partitions[partition]?.leader ?? -1;
    if (topic === undefined || node < 0) throw new Error(`${this.#topic}/${partition} has no leader`);
    const known = this.#topicIds.get(partition);
    this.#topicIds.set(partition, topic.id);
    if (known !== undefined && known !== topic.id) return { kind: "made-anew" };
    const answer = (await this.#fetcher.fetch({
      node,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      maxWaitTime: FETCH_WAIT_MS,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      topics: [{ topicId: topic.id, partitions: [fetchRequest(partition, offset, FETCH_BYTES_MAX)] }],
    })) as unknown as FetchAnswer;
    const fetched = answer.responses[0]?.partitions[0];
    if (fetched === undefined) throw new Error(`${this.#topic}/${partition} is not in the answer`);
    const { batches, next } = readPartition(fetched, offset);
    const records = batches.flatMap((batch) => batch.read(partition, offset));
    const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
    return { kind: "records", records, next, end: Number(fetched.lastStableOffset), bytes };
  }
}
