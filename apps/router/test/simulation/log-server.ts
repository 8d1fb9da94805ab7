import type { RecordsBatch } from "@platformatic/kafka";
import { RECORD_COUNT_AT, TRANSACTIONAL } from "../../src/domain/batch-format.ts";
import { type Answered, eachPartition, fine } from "./answers.ts";
import { ERROR } from "./kafka-errors.ts";
import {
  type FetchedTopic,
  type ProducedBatch,
  readFetch,
  readProduce,
  writeFetched,
  writeProduced,
} from "./log-requests.ts";
import type { Answer, Link } from "./network.ts";
import type { PartitionLog } from "./partition-log.ts";
import type { TransactionCoordinator } from "./transaction-coordinator.ts";
import type { World } from "./world.ts";

/** What a router counts for a record beside its bytes. */
const RECORD_OBJECT_BYTES = 256;
const EARLIEST = -2n;
/** How long a leader waits for replicas, as routers ask it to. */
const ACKS_TIMEOUT_MS = 10_000;

interface Partition {
  readonly log: PartitionLog;
  /** -1 while there is none. */
  leader: number;
}

export interface Topic {
  readonly name: string;
  readonly id: string;
  readonly partitions: Partition[];
  bytesMax: number;
  /** Partitions below their minimum of replicas in sync. */
  readonly refusing: Set<number>;
  /** Until then those still take what is written, and wait for the replicas. */
  hangsUntil: number;
}

/** A batch that was appended. */
export interface Appended {
  readonly topic: Topic;
  readonly partition: number;
  readonly batch: RecordsBatch;
  readonly transactional: boolean;
  readonly link: Link;
}

interface ListedTopic {
  readonly name: string;
  readonly partitions: readonly { readonly partitionIndex: number; readonly timestamp: bigint }[];
}

export interface LogServerOptions {
  readonly world: World;
  readonly topics: ReadonlyMap<string, Topic>;
  readonly transactions: TransactionCoordinator;
  readonly onAppended: (appended: Appended) => void;
  readonly onCorrupt: (what: string) => void;
}

/** What brokers answer to those who write and read partitions. */
export class LogServer {
  /** The most that one answer to a fetch had in it. */
  fetchedBytesMax = 0;
  readonly #options: LogServerOptions;
  readonly #waiters = new Set<() => void>();

  constructor(options: LogServerOptions) {
    this.#options = options;
  }

  /** @param up says whether the broker still is. */
  produce(node: number, up: () => boolean, request: Buffer, link: Link, answer: Answered): void {
    const { transactionalId, topics } = readProduce(request);
    const answered = topics.map(({ name, parts }) => ({
      name,
      parts: parts.map((part) => ({
        index: part.index,
        errorCode: this.#append(node, name, part, transactionalId, link),
      })),
    }));
    const produced = fine({ bytes: writeProduced(answered) });
    const hangs = answered.some(({ parts }) => parts.some(({ errorCode }) => errorCode === ERROR.REQUEST_TIMED_OUT));
    if (!hangs) answer(produced);
    else
      this.#options.world.at(ACKS_TIMEOUT_MS, null, () => {
        if (up()) answer(produced);
      });
  }

  /** Lets those look again who wait for records. */
  wake(): void {
    for (const look of [...this.#waiters]) look();
  }

  /** @param up says whether the broker still is. */
  fetch(node: number, up: () => boolean, request: Buffer, answer: Answered): void {
    const { waitMs, topics } = readFetch(request);
    const look = (last: boolean): boolean => {
      const { found, given } = this.#readLogs(node, topics);
      if (!found && !last) return false;
      this.#waiters.delete(again);
      if (up()) answer(fine({ bytes: given }));
      return true;
    };
    const again = () => void look(false);
    if (look(false)) return;
    this.#waiters.add(again);
    this.#options.world.at(waitMs, null, () => {
      if (this.#waiters.has(again)) look(true);
    });
  }

  listOffsets(node: number, asked: readonly ListedTopic[]): Answer {
    const { topics, errors } = eachPartition(
      asked,
      (topic, partition) => `/topics/${topic}/partitions/${partition}`,
      (name, { partitionIndex, timestamp }: ListedTopic["partitions"][number]) => {
        const partition = this.#options.topics.get(name)?.partitions[partitionIndex];
        let errorCode: number = ERROR.NONE;
        if (partition === undefined) errorCode = ERROR.UNKNOWN_TOPIC_OR_PARTITION;
        else if (partition.leader !== node) errorCode = ERROR.NOT_LEADER_OR_FOLLOWER;
        const offset = BigInt(timestamp) === EARLIEST ? 0n : BigInt(partition?.log.stableEnd ?? 0);
        return { partitionIndex, errorCode, timestamp: -1n, offset, leaderEpoch: 0 };
      },
    );
    return { response: { throttleTimeMs: 0, topics }, errors };
  }

  #append(
    node: number,
    name: string,
    { index, batch, bytes }: ProducedBatch,
    transactionalId: string | null,
    link: Link,
  ): number {
    const { topics, transactions, onCorrupt, onAppended } = this.#options;
    const topic = topics.get(name);
    const partition = topic?.partitions[index];
    if (topic === undefined || partition === undefined) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
    if (partition.leader !== node) return ERROR.NOT_LEADER_OR_FOLLOWER;
    const hangs = this.#options.world.now < topic.hangsUntil;
    if (topic.refusing.has(index) && !hangs) return ERROR.NOT_ENOUGH_REPLICAS;
    if (batch === null) {
      onCorrupt(`${name}/${index} from ${link.process.name}`);
      return ERROR.CORRUPT_MESSAGE;
    }
    if (bytes.length > topic.bytesMax) return ERROR.MESSAGE_TOO_LARGE;
    const transactional = (batch.attributes & TRANSACTIONAL) !== 0;
    if (transactional) {
      const problem = transactions.mayWrite(transactionalId ?? "", batch, `${name}/${index}`);
      if (problem !== ERROR.NONE) return problem;
    }
    const { errorCode, isNew } = partition.log.append(batch, bytes);
    if (isNew) {
      onAppended({ topic, partition: index, batch, transactional, link });
      if (!transactional) this.wake();
    }
    return errorCode === ERROR.NONE && topic.refusing.has(index) ? ERROR.REQUEST_TIMED_OUT : errorCode;
  }

  /** `found` when there is something to tell: records, or an error. */
  #readLogs(node: number, asked: readonly FetchedTopic[]): { readonly found: boolean; readonly given: Buffer } {
    const { topics, world } = this.#options;
    const known = [...topics.values()];
    let found = false;
    let bytes = 0;
    const answered = asked.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ index, offset }) => {
        const partition = known.find(({ id }) => id === topicId)?.partitions[index];
        const end = partition?.log.stableEnd ?? 0;
        let errorCode: number = ERROR.NONE;
        if (partition === undefined) errorCode = ERROR.UNKNOWN_TOPIC_ID;
        else if (partition.leader !== node) errorCode = ERROR.NOT_LEADER_OR_FOLLOWER;
        else if (offset > partition.log.end) errorCode = ERROR.OFFSET_OUT_OF_RANGE;
        const batchesMax = 1 + world.chance.below(5);
        const batches = errorCode === 0 ? (partition?.log.from(offset, batchesMax) ?? []) : [];
        const aborted = errorCode === 0 ? (partition?.log.abortedFrom(offset) ?? []) : [];
        const log = Buffer.concat(batches);
        found ||= errorCode !== 0 || log.length > 0;
        for (const batch of batches) bytes += batch.length + batch.readInt32BE(RECORD_COUNT_AT) * RECORD_OBJECT_BYTES;
        return { index, errorCode, end, aborted, log };
      }),
    }));
    this.fetchedBytesMax = Math.max(this.fetchedBytesMax, bytes);
    return { found, given: writeFetched(answered) };
  }
}
