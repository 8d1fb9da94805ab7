import type { ClusterMetadata, Consumer, MessageRecord } from "@platformatic/kafka";
import { type KafkaSettings, type Logger, withDeadline } from "@plugboard/runtime";
import type { ParkedCopy } from "../domain/parked-record.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import type { Part } from "../domain/produce-round.ts";
import { BatchProducer } from "./batch-producer.ts";
import { commitInTransaction } from "./group-offsets.ts";
import { whyNotReached } from "./kafka-connection.ts";
import {
  type CursorsToCommit,
  RETURN_CLIENT_ID,
  type Refusal,
  type ReturnWriter,
  sendCopies,
  whyUnwritable,
} from "./return-writer.ts";
import { TopicDirectory } from "./topic-directory.ts";
import { TransactionalIds } from "./transactional-ids.ts";

/** Then it is given up: below the brokers' own time-out (10 s), so that it is this side that decides. */
const TRANSACTION_DEADLINE_MS = 6_000;

export interface ReturnTransactionsOptions {
  readonly kafka: KafkaSettings;
  readonly transactionalId: string;
  readonly group: Consumer;
  readonly parkedTopic: string;
  readonly isNarrow: (topic: string) => boolean;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
}

/**
 * Returns copies and commits the cursors in one transaction: both happen, or neither. A transaction in which a topic refuses
 * is aborted, and the caller begins anew without it. As with the router's own transactions, an id whose transaction
 * the brokers cannot end is set aside, and its topics are not tried before they have.
 */
export class ReturnTransactions implements ReturnWriter {
  readonly commits = true;
  readonly #options: ReturnTransactionsOptions;
  readonly #directory = new TopicDirectory();
  readonly #stopping = new AbortController();
  readonly #ids: TransactionalIds;
  #producer: BatchProducer;

  constructor(options: ReturnTransactionsOptions) {
    const { kafka, metrics, logger, transactionalId: base } = options;
    this.#options = options;
    const createProducer = (id: string) => new BatchProducer(kafka, metrics, id, RETURN_CLIENT_ID);
    const why = (error: unknown) => whyNotReached(error, kafka);
    this.#ids = new TransactionalIds({ base, createProducer, why, stopping: this.#stopping.signal, logger });
    this.#producer = createProducer(base);
  }

  async prepare(signal: AbortSignal): Promise<void> {
    await this.#producer.discard();
    this.#producer = await this.#ids.take(AbortSignal.any([signal, this.#stopping.signal]));
  }

  async write(copies: readonly ParkedCopy[], commit: CursorsToCommit): Promise<Refusal[]> {
    let refusals: Refusal[] = [];
    try {
      const work = this.#runOne(copies, commit);
      refusals = (await withDeadline(work, TRANSACTION_DEADLINE_MS, "returning in a transaction did not end")) ?? [];
    } catch (error) {
      await this.#giveUp([]);
      throw error;
    }
    return refusals.length === 0 ? refusals : await this.#giveUp(refusals);
  }

  whyUnwritable(topic: string): Promise<string | null> {
    return whyUnwritable(topic, this.#producer, this.#directory);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#producer.discard();
  }

  async #runOne(copies: readonly ParkedCopy[], commit: CursorsToCommit): Promise<Refusal[]> {
    const { group, parkedTopic, isNarrow } = this.#options;
    const producer = this.#producer;
    const transaction = await producer.client.beginTransaction();
    const refusals = await sendCopies(copies, {
      producer,
      directory: this.#directory,
      isNarrow,
      stopsAtRefusal: true,
      beforeRound: (parts) =>
        transaction.addPartitions(
          this.#partitionCounts(parts),
          parts.map(({ topic, partition }) => ({ topic, partition }) as MessageRecord),
        ),
    });
    if (refusals.length > 0) return refusals;
    await transaction.addConsumer(group);
    await commitInTransaction(group, producer.client, this.#ids.current, parkedTopic, commit);
    await transaction.commit();
    return [];
  }

  /** The part of the client's metadata that it looks at when partitions are added. */
  #partitionCounts(parts: readonly Part<ParkedCopy>[]): ClusterMetadata {
    const counts = parts.map(({ topic }) => [topic, { partitionsCount: this.#directory.partitions(topic) }] as const);
    return { topics: new Map(counts) } as unknown as ClusterMetadata;
  }

  /** Nothing of it counts: taking an id ends it for good, before anything is read again. */
  async #giveUp(refusals: readonly Refusal[]): Promise<Refusal[]> {
    this.#directory.clear();
    await this.#producer.discard();
    // One that found a copy too large takes the mark of the abort all the same.
    const ended = refusals.every(({ tooLarge }) => tooLarge) ? undefined : this.#ids.setAside();
    ended?.catch(() => {});
    this.#producer = await this.#ids.take(this.#stopping.signal);
    return refusals.map((refusal) => (ended === undefined || refusal.tooLarge ? refusal : { ...refusal, ended }));
  }
}
