import type { ClusterMetadata, Consumer, Message, MessageRecord, Producer } from "@platformatic/kafka";
import { type Clock, type KafkaSettings, type Logger, withDeadline } from "@plugboard/runtime";
import { parkedCopy } from "../domain/outgoing.ts";
import {
  type OutgoingRecord,
  type RouterMetrics,
  type Sink,
  SinkBroken,
  type SourceBatch,
  type UnwritableTopic,
} from "../domain/ports.ts";
import { nextRound, type Part } from "../domain/produce-round.ts";
import { WaitingRoom } from "../domain/waiting-room.ts";
import { AwayTopics } from "./away-topics.ts";
import { BatchProducer } from "./batch-producer.ts";
import { whyNotReached } from "./kafka-connection.ts";
import { partitionOf } from "./partition-of.ts";
import { MESSAGE_TOO_LARGE, type PartAnswer } from "./produce-answer.ts";
import { TopicDirectory } from "./topic-directory.ts";
import { TransactionalIds } from "./transactional-ids.ts";
import { WriteJob } from "./write-job.ts";

/** Records and bytes joined into one transaction: its cost is paid once, and it must end well before its time-out. */
const TRANSACTION_RECORDS_MAX = 12_000;
const TRANSACTION_BYTES_MAX = 12 * 1024 * 1024;
/** Then it is given up: below the brokers' own time-out (10 s), so that it is this side that decides. */
const TRANSACTION_DEADLINE_MS = 6_000;
const LOOK_RETRY_MS = 250;

export interface TransactionalSinkOptions {
  readonly kafka: KafkaSettings;
  readonly transactionalId: string;
  /** The group's member, whose offsets move in the transactions. */
  readonly group: Consumer;
  readonly parkedTopic: string;
  readonly parkAfterMs: number;
  readonly essential: ReadonlySet<string>;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

type Transaction = Awaited<ReturnType<Producer["beginTransaction"]>>;

interface Target {
  readonly topic: string;
  readonly partition: number;
}

/** What the client wants to see to add a partition. */
function asMessage({ topic, partition }: Target): MessageRecord {
  return { topic, partition } as MessageRecord;
}

interface Work {
  readonly records: readonly OutgoingRecord[];
  readonly bytes: number;
  readonly batch: SourceBatch;
  readonly job: WriteJob;
}

/**
 * Writes records and moves their batches' offsets in one transaction: both happen, or neither, and committed readers see
 * each copy once.
 *
 *   waiting ─► topics looked at ─► begin ─► send rounds ─► add each offset ─► commit ─► acknowledged
 *                                    └──────────── anything fails ─────────────┘
 *                                       abort by a new producer of the same id (it fences the old one), all given up;
 *                                       the source forgets what it read and goes on from the committed offsets
 *
 * A partition that refused a copy may not take the mark of the abort either; until it does, its transaction's id is of no
 * use, and its topic counts as away. So what follows goes on under another id, first waiting for that topic, then parking.
 *
 * The broker fences a commit whose membership in the group is not the current one.
 */
export class TransactionalSink implements Sink {
  readonly #options: TransactionalSinkOptions;
  readonly #directory = new TopicDirectory();
  readonly #stopping = new AbortController();
  readonly #ids: TransactionalIds;
  readonly #away: AwayTopics;
  /** Topics that found a copy too large: those of the next transaction are parked. */
  readonly #oversized = new Set<string>();
  /** Topics that refused copies in the transaction under way. */
  readonly #refused = new Set<string>();
  #producer: BatchProducer;
  #waiting: Work[] = [];
  readonly #room = new WaitingRoom(TRANSACTION_RECORDS_MAX);
  #working: Promise<void> | undefined;

  constructor(options: TransactionalSinkOptions) {
    this.#options = options;
    const createProducer = (id: string) => new BatchProducer(options.kafka, options.metrics, id);
    const { transactionalId: base, logger } = options;
    this.#away = new AwayTopics({ ...options, directory: this.#directory });
    const why = (error: unknown) => whyNotReached(error, options.kafka);
    this.#ids = new TransactionalIds({ base, createProducer, why, stopping: this.#stopping.signal, logger });
    this.#producer = createProducer(base);
  }

  /** Takes a transactional id: fences a predecessor, and ends what it left open. */
  async prepare(signal: AbortSignal): Promise<void> {
    await this.#producer.discard();
    this.#producer = await this.#ids.take(signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#room.close();
    for (const { job } of this.#waiting.splice(0)) job.fail(new SinkBroken("the router stops"));
    await this.#working;
    await this.#producer.discard();
  }

  room(): Promise<void> {
    return this.#room.room();
  }

  unwritable(): UnwritableTopic[] {
    return this.#away.list();
  }

  async write(records: readonly OutgoingRecord[], batch: SourceBatch): Promise<void> {
    const job = new WriteJob(1, batch.revoked);
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    this.#waiting.push({ records, bytes, batch, job });
    this.#countWaiting();
    this.#work();
    await job.done;
  }

  #work(): void {
    this.#working ??= this.#runTransactions().finally(() => {
      this.#working = undefined;
      if (this.#waiting.length > 0 && !this.#stopping.signal.aborted) this.#work();
    });
  }

  async #runTransactions(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#stopping.signal.aborted) {
      const works = this.#take();
      if (works.length === 0) continue;
      try {
        const records = await this.#writable(works);
        if (works.some(({ job }) => job.over)) continue;
        await withDeadline(this.#runOne(works, records), TRANSACTION_DEADLINE_MS, "a transaction did not end");
        for (const { job } of works) job.acknowledge();
      } catch (error) {
        await this.#giveUp(works, error);
      }
    }
  }

  /** What waits, of one membership, up to the bounds of a transaction. */
  #take(): Work[] {
    this.#waiting = this.#waiting.filter(({ job }) => !job.over);
    const works: Work[] = [];
    let [records, bytes] = [0, 0];
    for (const work of this.#waiting) {
      const fits =
        records + work.records.length <= TRANSACTION_RECORDS_MAX && bytes + work.bytes <= TRANSACTION_BYTES_MAX;
      if (works[0] !== undefined && (!fits || work.batch.membership !== works[0].batch.membership)) break;
      works.push(work);
      records += work.records.length;
      bytes += work.bytes;
    }
    this.#waiting.splice(0, works.length);
    this.#countWaiting();
    return works;
  }

  #countWaiting(): void {
    this.#room.set(this.#waiting.reduce((sum, { records }) => sum + records.length, 0));
  }

  async #runOne(works: readonly Work[], records: readonly OutgoingRecord[]): Promise<void> {
    this.#refused.clear();
    const transaction = await this.#producer.client.beginTransaction();
    let queue = records.map((record) => ({ record }));
    while (queue.length > 0) {
      const round = nextRound(
        queue,
        ({ record }) =>
          partitionOf(record, this.#directory.partitions(record.topic) ?? this.#partitionsOrThrow(record.topic)),
        TRANSACTION_RECORDS_MAX,
      );
      await transaction.addPartitions(this.#partitionCounts(round.parts), round.parts.map(asMessage));
      this.#acknowledgedOrThrow(round.parts, await this.#producer.send(round, this.#directory));
      queue = queue.slice(round.taken);
    }
    await this.#addOffsets(transaction, works);
    await transaction.commit();
    this.#away.written(() => new Set(records.map(({ topic }) => topic)));
  }

  #acknowledgedOrThrow(parts: readonly Part<{ record: OutgoingRecord }>[], answers: readonly PartAnswer[]): void {
    let failure: Error | undefined;
    for (const [index, { topic, partition }] of parts.entries()) {
      const answer = answers[index] as PartAnswer;
      if (answer.kind === "acknowledged") continue;
      if (answer.kind === "refused") this.#refusedBy(topic, answer);
      const why = answer.kind === "refused" ? answer.why : answer.error.message;
      failure ??= new Error(`${topic}/${partition} was not acknowledged: ${why}`);
    }
    if (failure !== undefined) throw failure;
  }

  /** The part of the client's metadata that it looks at when partitions are added. */
  #partitionCounts(targets: readonly Target[]): ClusterMetadata {
    const counts = targets.map(({ topic }) => [topic, { partitionsCount: this.#directory.partitions(topic) }] as const);
    return { topics: new Map(counts) } as unknown as ClusterMetadata;
  }

  /** A topic that looks writable refused. One that finds a copy too large will go on so; another may take it later. */
  #refusedBy(topic: string, { code, why }: PartAnswer & { kind: "refused" }): void {
    if (code === MESSAGE_TOO_LARGE) {
      if (!this.#options.essential.has(topic)) this.#oversized.add(topic);
      return;
    }
    this.#refused.add(topic);
    this.#away.refused(topic, why);
  }

  /** One after another: the client takes overlapping calls for one and the same. */
  async #addOffsets(transaction: Transaction, works: readonly Work[]): Promise<void> {
    const { group } = this.#options;
    const [first] = works;
    if (first === undefined) return;
    const ends = new Map<number, number>();
    for (const { batch } of works) for (const [partition, end] of batch.ends) ends.set(partition, end);
    const coordinatorId = await group.findGroupCoordinator();
    const { memberId, generationId } = first.batch.membership;
    const consumer = { groupId: group.groupId, memberId, generationId, coordinatorId };
    await transaction.addConsumer(group);
    for (const [partition, end] of ends) {
      // The client commits the offset behind the message it is given.
      const last = { topic: first.batch.topic, partition, offset: BigInt(end) - 1n, metadata: { consumer } };
      await transaction.addOffset(last as unknown as Message);
    }
  }

  /**
   * Looks at every topic before a transaction begins, for one that fails inside it fails all. Waits for a topic that
   * cannot be written; after its bound, its copies go to the parking topic.
   */
  async #writable(works: readonly Work[]): Promise<OutgoingRecord[]> {
    const { parkedTopic, metrics, logger } = this.#options;
    const topics = new Set(works.flatMap(({ records }) => records.map((record) => record.topic)));
    const parking = new Set<string>();
    for (const topic of topics) {
      if (this.#oversized.delete(topic)) {
        logger.error({ topic }, "a copy is above the topic's max.message.bytes: this transaction's are parked");
        parking.add(topic);
        continue;
      }
      while (!(await this.#isWritable(topic))) {
        if (!this.#mayGoOn(works)) return [];
        if (this.#away.isParked(topic)) {
          parking.add(topic);
          break;
        }
        await this.#options.clock.sleep(LOOK_RETRY_MS, this.#stopping.signal).catch(() => {});
      }
    }
    while (parking.size > 0 && !(await this.#isWritable(parkedTopic))) {
      if (!this.#mayGoOn(works)) return [];
      await this.#options.clock.sleep(LOOK_RETRY_MS, this.#stopping.signal).catch(() => {});
    }
    return works.flatMap(({ records }) =>
      records.map((record) => {
        if (!parking.has(record.topic)) return record;
        metrics.parked(record.topic, 1);
        return parkedCopy(record, parkedTopic);
      }),
    );
  }

  /**
   * Whether the copies that wait may still be written.
   * @throws while stopping: given up, for without its copies a transaction would move their offsets.
   */
  #mayGoOn(works: readonly Work[]): boolean {
    if (this.#stopping.signal.aborted) throw new Error("the router stops");
    return works.every(({ job }) => !job.over);
  }

  #isWritable(topic: string): Promise<boolean> {
    return this.#away.isWritable(topic, this.#producer.client);
  }

  #partitionsOrThrow(topic: string): never {
    throw new Error(`the partition count of ${topic} is not known any more`);
  }

  /** Nothing of it counts. Its id is taken anew, which ends the transaction for good, before anything is read again. */
  async #giveUp(works: readonly Work[], cause: unknown): Promise<void> {
    this.#options.logger.warn(
      { error: cause, transactionalId: this.#ids.current },
      "a transaction failed: it is aborted",
    );
    this.#directory.clear();
    await this.#producer.discard();
    // The brokers end the transaction by themselves, as soon as the topics that refused take a write.
    if (this.#refused.size > 0) this.#away.waitFor(this.#refused, this.#ids.setAside());
    this.#refused.clear();
    await this.#ids.take(this.#stopping.signal).then(
      (producer) => {
        this.#producer = producer;
      },
      () => {},
    );
    const error = new SinkBroken(`a transaction failed: ${(cause as Error).message}`, { cause });
    for (const { job } of [...works, ...this.#waiting.splice(0)]) job.fail(error);
    this.#countWaiting();
  }
}
