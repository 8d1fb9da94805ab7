import { Consumer, FetchIsolationLevels, IS_CONTROL, IS_TRANSACTIONAL, type RecordsBatch } from "@platformatic/kafka";
import { clientOptions } from "./bench-kafka.ts";
import type { Copy } from "./verifier.ts";

type FetchedPartition = Awaited<ReturnType<Consumer["fetch"]>>["responses"][number]["partitions"][number];

const FETCH_BYTES_MAX = 16 * 1024 * 1024;
const PARTITION_BYTES_MAX = 2 * 1024 * 1024;
const FETCH_WAIT_MS = 200;

/** A copy and when the broker appended it. */
export interface FetchedCopy extends Copy {
  readonly appendedAtMs: number;
}

interface Position {
  readonly topicId: string;
  /** Number of the topic in the list given. */
  readonly plugin: number;
  readonly partition: number;
  next: number;
}

/**
 * Reads topics of a single broker, each partition in its order, as a committed reader sees them, with nothing between the
 * broker's answer and the reader: verification is as fast as that, and the meter of latencies adds as little as can be.
 */
export class TopicFetcher {
  readonly #consumer: Consumer;
  readonly #node: number;
  readonly #positions: readonly Position[];
  readonly #byPlace: ReadonlyMap<string, Position>;

  private constructor(consumer: Consumer, node: number, positions: readonly Position[]) {
    this.#consumer = consumer;
    this.#node = node;
    this.#positions = positions;
    this.#byPlace = new Map(positions.map((position) => [placeOf(position.topicId, position.partition), position]));
  }

  /** @param topics a copy's `plugin` is the number of its topic in here. */
  static async open(brokers: string, topics: readonly string[]): Promise<TopicFetcher> {
    const consumer = new Consumer({ ...clientOptions(brokers), clientId: "bench-fetcher", groupId: "bench-fetcher" });
    consumer.on("error", () => {});
    const metadata = await consumer.metadata({ topics: [...topics] });
    const [node, another] = metadata.brokers.keys();
    if (node === undefined || another !== undefined) throw new Error("this reader is made for one broker");
    const positions = topics.flatMap((name, plugin) => {
      const topic = metadata.topics.get(name);
      if (topic === undefined) throw new Error(`there is no topic ${name}`);
      return topic.partitions.map((_, partition) => ({ topicId: topic.id, plugin, partition, next: 0 }));
    });
    return new TopicFetcher(consumer, node, positions);
  }

  /**
   * Hands on what there is to read of the partitions that are not at their end. One answer at a time: the broker fills it
   * with the first partitions asked for, so those come first until they are done.
   * @returns whether anything was left to read; false also when nothing came within {@link FETCH_WAIT_MS}.
   */
  async poll(take: (copy: FetchedCopy) => void): Promise<boolean> {
    const byTopic = Map.groupBy(this.#positions, ({ topicId }) => topicId);
    const answer = await this.#consumer.fetch({
      node: this.#node,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      maxWaitTime: FETCH_WAIT_MS,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      topics: [...byTopic].map(([topicId, positions]) => ({
        topicId,
        partitions: positions.map(({ partition, next }) => ({
          partition,
          fetchOffset: BigInt(next),
          partitionMaxBytes: PARTITION_BYTES_MAX,
          currentLeaderEpoch: -1,
          lastFetchedEpoch: -1,
        })),
      })),
    });
    let read = false;
    for (const topic of answer.responses) {
      for (const fetched of topic.partitions) {
        const position = this.#byPlace.get(placeOf(topic.topicId, fetched.partitionIndex));
        if (position === undefined) continue;
        if (fetched.errorCode !== 0) throw new Error(`a fetch was answered with error ${fetched.errorCode}`);
        const before = position.next;
        handOn(fetched, position, take);
        read ||= position.next > before;
      }
    }
    return read;
  }

  /** Reads until nothing comes any more: for topics that nobody writes to. */
  async drain(take: (copy: FetchedCopy) => void): Promise<void> {
    while (await this.poll(take));
  }

  async close(): Promise<void> {
    await this.#consumer.close(true);
  }
}

function placeOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`;
}

function handOn(fetched: FetchedPartition, position: Position, take: (copy: FetchedCopy) => void): void {
  const isLeftOut = leftOut(fetched);
  const { plugin, partition } = position;
  const from = position.next;
  for (const batch of fetched.records ?? []) {
    const first = Number(batch.firstOffset);
    const last = first + batch.lastOffsetDelta;
    if (!isLeftOut(batch, last)) {
      // With LogAppendTime a batch has one time: that of its append.
      const appendedAtMs = Number(batch.maxTimestamp);
      for (const { offsetDelta, key, value, headers } of batch.records)
        if (first + offsetDelta >= from) take({ plugin, partition, key, value, headers, appendedAtMs });
    }
    position.next = Math.max(position.next, last + 1);
  }
}

/** Control records, and records of transactions that were aborted. */
function leftOut({ abortedTransactions }: FetchedPartition): (batch: RecordsBatch, last: number) => boolean {
  const upcoming = [...(abortedTransactions ?? [])].sort((one, other) => Number(one.firstOffset - other.firstOffset));
  const aborted = new Set<bigint>();
  return (batch, last) => {
    for (; upcoming[0] !== undefined && Number(upcoming[0].firstOffset) <= last; upcoming.shift())
      aborted.add(upcoming[0].producerId);
    if ((batch.attributes & IS_CONTROL) !== 0) {
      aborted.delete(batch.producerId);
      return true;
    }
    return (batch.attributes & IS_TRANSACTIONAL) !== 0 && aborted.has(batch.producerId);
  };
}
