import type { Consumer, Message, Producer } from "@platformatic/kafka";
import { type Clock, type KafkaSettings, type Logger, withDeadline } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { parkedCopy } from "../domain/outgoing.ts";
import { type OutgoingRecord, type RouterMetrics, type Sink, SinkBroken, type SourceBatch } from "../domain/ports.ts";
import { nextRound } from "../domain/produce-round.ts";
import { createTransactionalProducer, discard, partitionOf, sendRound } from "./produce.ts";
import { MESSAGE_TOO_LARGE, partitionKey } from "./produce-answer.ts";
import { TopicDirectory } from "./topic-directory.ts";
import { WriteJob } from "./write-job.ts";

/** Records and bytes joined into one transaction: its cost is paid once, and it must end well before its time-out. */
const TRANSACTION_RECORDS_MAX = 6_000;
const TRANSACTION_BYTES_MAX = 8 * 1024 * 1024;
/** Then it is given up: below the brokers' own time-out (10 s), so that it is this side that decides. */
const TRANSACTION_DEADLINE_MS = 6_000;
const LOOK_RETRY_MS = 250;
/** Between looks at a topic whose copies are parked. */
const PROBE_MS = 2_000;

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
 * The broker fences a commit whose membership in the group is not the current one.
 */
export class TransactionalSink implements Sink {
  readonly #options: TransactionalSinkOptions;
  readonly #directory = new TopicDirectory();
  readonly #stopping = new AbortController();
  readonly #retry = retry(handleAll, {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
  });
  /** Topics that cannot be written, since when, and when to look again. */
  readonly #away = new Map<string, { readonly since: number; parked: boolean; lookAt: number }>();
  /** Topics that refused a record inside a transaction, and since when (milliseconds, monotonic). */
  readonly #refusing = new Map<string, number>();
  #producer: Producer;
  #waiting: Work[] = [];
  #working: Promise<void> | undefined;

  constructor(options: TransactionalSinkOptions) {
    this.#options = options;
    this.#producer = createTransactionalProducer(options.kafka, options.transactionalId);
  }

  /** Takes the transactional id: fences a predecessor, and ends what it left open. */
  async prepare(signal: AbortSignal): Promise<void> {
    await this.#retry.execute(() => this.#takeId(), signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { job } of this.#waiting.splice(0)) job.fail(new SinkBroken("the router stops"));
    await this.#working;
    await discard(this.#producer);
  }

  async write(records: readonly OutgoingRecord[], batch: SourceBatch): Promise<void> {
    const job = new WriteJob(1, batch.revoked);
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    this.#waiting.push({ records, bytes, batch, job });
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
    return works;
  }

  async #runOne(works: readonly Work[], records: readonly OutgoingRecord[]): Promise<void> {
    const transaction = await this.#producer.beginTransaction();
    let queue = records.map((record) => ({ record }));
    while (queue.length > 0) {
      const { round, taken, bytes } = nextRound(queue, ({ record }) =>
        partitionOf(record, this.#directory.partitions(record.topic) ?? this.#partitionsOrThrow(record.topic)),
      );
      const answer = await sendRound(this.#producer, round, bytes, this.#options.metrics, (messages) =>
        transaction.send({ messages, acks: -1 }),
      );
      let failed: string | null = null;
      for (const { item, partition } of round) {
        const key = partitionKey(item.record.topic, partition);
        const refusal = answer.refused.get(key);
        if (refusal !== undefined) this.#refused(item.record.topic, refusal.code);
        if (answer.error !== null || !answer.acknowledged.has(key)) failed ??= key;
      }
      if (failed !== null)
        throw new Error(`${failed} was not acknowledged: ${answer.refused.get(failed)?.why ?? answer.error}`);
      queue = queue.slice(taken);
    }
    await this.#addOffsets(transaction, works);
    await transaction.commit();
    for (const { topic } of records) this.#refusing.delete(topic);
  }

  /** Remembers since when a topic that looks writable refuses records; one that finds them too large will go on so. */
  #refused(topic: string, code: number): void {
    if (this.#options.essential.has(topic) || this.#refusing.has(topic)) return;
    this.#refusing.set(topic, code === MESSAGE_TOO_LARGE ? 0 : this.#options.clock.monotonic());
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
    const { essential, parkedTopic, parkAfterMs, metrics, clock, logger } = this.#options;
    const topics = new Set(works.flatMap(({ records }) => records.map((record) => record.topic)));
    const parking = new Set<string>();
    for (const topic of topics) {
      const since = this.#refusing.get(topic);
      if (since !== undefined && clock.monotonic() - since >= parkAfterMs) {
        logger.error({ topic }, "the topic refuses a copy: this transaction's are parked");
        this.#refusing.delete(topic);
        parking.add(topic);
        continue;
      }
      while (!(await this.#isWritable(topic))) {
        if (this.#stopping.signal.aborted || works.some(({ job }) => job.over)) return [];
        if (!essential.has(topic) && this.#away.get(topic)?.parked) {
          parking.add(topic);
          break;
        }
        await this.#options.clock.sleep(LOOK_RETRY_MS, this.#stopping.signal).catch(() => {});
      }
    }
    if (parking.size > 0) while (!(await this.#isWritable(parkedTopic))) await this.#options.clock.sleep(LOOK_RETRY_MS);
    return works.flatMap(({ records }) =>
      records.map((record) => {
        if (!parking.has(record.topic)) return record;
        metrics.parked(record.topic, 1);
        return parkedCopy(record, parkedTopic);
      }),
    );
  }

  async #isWritable(topic: string): Promise<boolean> {
    const { clock, logger, essential, parkAfterMs } = this.#options;
    const away = this.#away.get(topic);
    if (away === undefined && this.#directory.partitions(topic) !== undefined) return true;
    if (away?.parked && clock.monotonic() < away.lookAt) return false;
    const state = await this.#directory.look(this.#producer, topic);
    if (state.kind === "writable") {
      if (this.#away.delete(topic)) logger.info({ topic }, "the topic is written again");
      return true;
    }
    if (state.kind === "unknown") {
      logger.warn({ topic, error: state.error }, "no broker answers: writing waits");
      return false;
    }
    const now = clock.monotonic();
    if (away === undefined) {
      logger.warn({ topic, why: state.why }, "the topic cannot be written now: routing waits for it");
      this.#away.set(topic, { since: now, parked: false, lookAt: now });
    } else if (!essential.has(topic) && now - away.since >= parkAfterMs) {
      if (!away.parked) logger.error({ topic, why: state.why }, "the topic cannot be written: copies are parked");
      away.parked = true;
      away.lookAt = now + PROBE_MS;
    }
    return false;
  }

  #partitionsOrThrow(topic: string): never {
    throw new Error(`the partition count of ${topic} is not known any more`);
  }

  /** Nothing of it counts. A new producer takes the id, which ends the transaction for good, before anything is read again. */
  async #giveUp(works: readonly Work[], cause: unknown): Promise<void> {
    const { kafka, transactionalId, logger } = this.#options;
    logger.warn({ error: cause, transactionalId }, "a transaction failed: it is aborted");
    this.#directory.clear();
    await discard(this.#producer);
    this.#producer = createTransactionalProducer(kafka, transactionalId);
    await this.#retry.execute(() => this.#takeId(), this.#stopping.signal).catch(() => {});
    const error = new SinkBroken(`a transaction failed: ${(cause as Error).message}`, { cause });
    for (const { job } of [...works, ...this.#waiting.splice(0)]) job.fail(error);
  }

  async #takeId(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    try {
      const transaction = await this.#producer.beginTransaction();
      await transaction.cancel();
    } catch (error) {
      this.#options.logger.warn({ error }, "the transactional id cannot be taken: trying again");
      await discard(this.#producer);
      this.#producer = createTransactionalProducer(this.#options.kafka, this.#options.transactionalId);
      throw error;
    }
  }
}
