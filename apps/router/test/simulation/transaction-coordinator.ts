import type { RecordsBatch } from "@platformatic/kafka";
import { eachPartition, fine, withCode } from "./answers.ts";
import { ERROR } from "./kafka-errors.ts";
import type { Answer } from "./network.ts";
import type { World } from "./world.ts";

/** How often brokers look for transactions that took too long, at most so long after their time-out. */
const TIMED_OUT_LOOK_MS = 3_000;
const MARK_RETRY_MS = 100;

/** What an id is used for, as its coordinator keeps it. */
interface Transaction {
  readonly id: string;
  readonly producerId: bigint;
  epoch: number;
  timeoutMs: number;
  state: "empty" | "ongoing" | "ending" | "ended";
  committed: boolean;
  /** `topic/partition` of those that were added. */
  readonly partitions: Set<string>;
  /** Groups whose offsets it moves. */
  readonly groups: Set<string>;
  /** Counts transactions: a time-out of an earlier one means nothing. */
  begun: number;
}

/** What an end is told to. */
export interface EndedTransaction {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly committed: boolean;
}

export interface TransactionOptions {
  readonly world: World;
  readonly isTopic: (topic: string, partition: number) => boolean;
  /** Writes the mark of the end to a partition. @returns false when it cannot be written now. */
  readonly markPartition: (partition: string, ended: EndedTransaction) => boolean;
  readonly markGroup: (group: string, ended: EndedTransaction) => boolean;
  /** It is decided: no mark has been written yet. */
  readonly onDecided: (ended: EndedTransaction) => void;
}

type Owner = readonly [id: string, producerId: bigint, epoch: number];
interface AddedTransaction {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[];
}

/**
 * Transactional ids, their producers and transactions.
 *
 *   empty ──add──► ongoing ──end, time-out, the id is taken anew──► ending ──every mark written──► ended ──add──► ongoing
 *
 * While one is ending, its id is of no use. A partition that takes no writes takes no mark either.
 */
export class TransactionCoordinator {
  readonly #options: TransactionOptions;
  readonly #transactions = new Map<string, Transaction>();
  #producers = 0n;

  constructor(options: TransactionOptions) {
    this.#options = options;
  }

  /** Who a producer is; one of an id fences those before. */
  initProducer(id: string | null, timeoutMs: number): Answer {
    if (id === null) return this.#identity(this.#nextProducer(), 0);
    const known = this.#transactions.get(id);
    if (known === undefined) {
      const producerId = this.#nextProducer();
      const sets = { partitions: new Set<string>(), groups: new Set<string>() };
      this.#transactions.set(id, {
        ...{ id, producerId, epoch: 0, timeoutMs, state: "empty", committed: false, begun: 0 },
        ...sets,
      });
      return this.#identity(producerId, 0);
    }
    if (known.state === "ongoing") this.#abortByEpoch(known);
    if (known.state === "ending") return withCode({ errorCode: ERROR.CONCURRENT_TRANSACTIONS });
    known.epoch += 1;
    known.timeoutMs = timeoutMs;
    known.state = "empty";
    return this.#identity(known.producerId, known.epoch);
  }

  addPartitions([{ transactionalId, producerId, producerEpoch, topics }]: readonly [AddedTransaction]): Answer {
    const transaction = this.#transactions.get(transactionalId);
    let problem = this.#problem([transactionalId, producerId, producerEpoch]);
    const isThere = (name: string, partition: number) => this.#options.isTopic(name, partition);
    const allThere = topics.every(({ name, partitions }) => partitions.every((partition) => isThere(name, partition)));
    if (problem === 0 && !allThere) problem = ERROR.OPERATION_NOT_ATTEMPTED;
    if (problem === 0 && transaction !== undefined) {
      this.#begin(transaction);
      for (const { name, partitions } of topics)
        for (const partition of partitions) transaction.partitions.add(`${name}/${partition}`);
    }
    const { errors } = eachPartition(
      topics,
      (topic, partition) => `/results_by_transaction/0/topic_results/${topic}/results_by_partitions/${partition}`,
      (name, partition: number) => {
        const missing = problem === ERROR.OPERATION_NOT_ATTEMPTED && !isThere(name, partition);
        return { errorCode: missing ? ERROR.UNKNOWN_TOPIC_OR_PARTITION : problem };
      },
    );
    return { response: { throttleTimeMs: 0, errorCode: 0, resultsByTransaction: [] }, errors };
  }

  addGroup(owner: Owner, group: string): Answer {
    const errorCode = this.#problem(owner);
    const transaction = this.#transactions.get(owner[0]);
    if (errorCode === 0 && transaction !== undefined) {
      this.#begin(transaction);
      transaction.groups.add(group);
    }
    return withCode({ errorCode });
  }

  end(owner: Owner, committed: boolean): Answer {
    const transaction = this.#transactions.get(owner[0]);
    let errorCode = this.#problem(owner);
    if (errorCode === 0 && transaction !== undefined) {
      if (transaction.state === "ongoing") this.#end(transaction, committed);
      // It was asked for before, and the answer was lost.
      else if (transaction.state !== "ended" || transaction.committed !== committed)
        errorCode = ERROR.INVALID_TXN_STATE;
    }
    return withCode({ errorCode });
  }

  /** Whether a batch belongs to a transaction that goes on there. @returns the error code. */
  mayWrite(id: string, { producerId, producerEpoch }: RecordsBatch, partition: string): number {
    const transaction = this.#transactions.get(id);
    if (transaction === undefined || transaction.producerId !== producerId) return ERROR.INVALID_PRODUCER_ID_MAPPING;
    if (producerEpoch < transaction.epoch) return ERROR.INVALID_PRODUCER_EPOCH;
    const isOngoing = transaction.state === "ongoing" && transaction.partitions.has(partition);
    return isOngoing ? ERROR.NONE : ERROR.INVALID_TXN_STATE;
  }

  /** Whether a transaction that goes on moves a group's offsets. @returns the error code. */
  mayMove([id, producerId, epoch]: Owner, group: string): number {
    const problem = this.#problem([id, producerId, epoch]);
    if (problem !== 0) return problem === ERROR.PRODUCER_FENCED ? ERROR.INVALID_PRODUCER_EPOCH : problem;
    const transaction = this.#transactions.get(id);
    const isOngoing = transaction?.state === "ongoing" && transaction.groups.has(group);
    return isOngoing ? ERROR.NONE : ERROR.INVALID_TXN_STATE;
  }

  #nextProducer(): bigint {
    this.#producers += 1n;
    return this.#producers;
  }

  #identity(producerId: bigint, producerEpoch: number): Answer {
    return fine({ throttleTimeMs: 0, errorCode: 0, producerId, producerEpoch });
  }

  #problem([id, producerId, epoch]: Owner): number {
    const transaction = this.#transactions.get(id);
    if (transaction === undefined || transaction.producerId !== producerId) return ERROR.INVALID_PRODUCER_ID_MAPPING;
    if (epoch !== transaction.epoch) return ERROR.PRODUCER_FENCED;
    return transaction.state === "ending" ? ERROR.CONCURRENT_TRANSACTIONS : ERROR.NONE;
  }

  #begin(transaction: Transaction): void {
    if (transaction.state === "ongoing") return;
    transaction.state = "ongoing";
    transaction.begun += 1;
    const { begun } = transaction;
    const { world } = this.#options;
    world.at(transaction.timeoutMs + world.chance.between(0, TIMED_OUT_LOOK_MS), null, () => {
      if (transaction.state === "ongoing" && transaction.begun === begun) this.#abortByEpoch(transaction);
    });
  }

  /** Its producer is fenced, and what it wrote counts for nothing. */
  #abortByEpoch(transaction: Transaction): void {
    transaction.epoch += 1;
    this.#end(transaction, false);
  }

  #end(transaction: Transaction, committed: boolean): void {
    const { world, onDecided, markPartition, markGroup } = this.#options;
    transaction.state = "ending";
    transaction.committed = committed;
    const { producerId, epoch } = transaction;
    const ended = { producerId, epoch, committed };
    onDecided(ended);
    const marks = [
      ...[...transaction.partitions].map((partition) => () => markPartition(partition, ended)),
      ...[...transaction.groups].map((group) => () => markGroup(group, ended)),
    ];
    transaction.partitions.clear();
    transaction.groups.clear();
    let left = marks.length;
    const done = () => {
      if (left === 0) transaction.state = "ended";
    };
    const attempt = (mark: () => boolean, afterMs: number): void => {
      world.at(afterMs, null, () => {
        if (mark()) {
          left -= 1;
          done();
        } else attempt(mark, world.chance.between(0.5, 1.5) * MARK_RETRY_MS);
      });
    };
    for (const mark of marks) attempt(mark, world.chance.between(0.2, world.chance.is(0.1) ? 300 : 4));
    done();
  }
}
