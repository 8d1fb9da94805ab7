import { type Consumer, findErrorBy } from "@platformatic/kafka";
import { type Clock, type KafkaSettings, type Logger, withDeadline } from "@plugboard/runtime";
import {
  type OutgoingRecord,
  type RouterMetrics,
  type Sink,
  SinkBroken,
  type SourceBatch,
  type UnwritableTopic,
} from "../domain/ports.ts";
import { WaitingRoom } from "../domain/waiting-room.ts";
import { AwayTopics } from "./away-topics.ts";
import { BatchProducer } from "./batch-producer.ts";
import { whyNotReached } from "./kafka-connection.ts";
import { TopicDirectory } from "./topic-directory.ts";
import { Transaction } from "./transaction.ts";
import { TransactionRecords } from "./transaction-records.ts";
import { TransactionalIds } from "./transactional-ids.ts";
import { WriteJob } from "./write-job.ts";

/** Records and bytes joined into one transaction: its cost is paid once, and it must end well before its time-out. */
const TRANSACTION_RECORDS_MAX = 12_000;
const TRANSACTION_BYTES_MAX = 12 * 1024 * 1024;
/** Then it is given up: below the brokers' own time-out (10 s), so that it is this side that decides. */
const TRANSACTION_DEADLINE_MS = 6_000;
/** A transaction takes milliseconds. One that has not ended after this is asked about, so often. */
const HANGING_LOOK_MS = 500;
/** Before a transaction is made a third time, and so on: the first failure tells most, what comes again will not be over at once. */
const AGAIN_MS = 250;

export interface TransactionalSinkOptions {
  readonly kafka: KafkaSettings;
  readonly transactionalId: string;
  /** The group's member, whose offsets move in the transactions. */
  readonly group: Consumer;
  readonly parkedTopic: string;
  /** How long a topic may be unwritable before its copies are parked; undefined for as long as is best. */
  readonly parkAfterMs: number | undefined;
  readonly essential: ReadonlySet<string>;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
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
 *   waiting ─► topics looked at ─► transaction ─► acknowledged
 *                    ▲                  ├─ a topic refused, or hangs: aborted, and made again from memory
 *                    └──────────────────┘
 *                                       └─ anything else: aborted by a new producer of the same id (it fences the old one), all
 *                                          given up; the source forgets what it read and goes on from the committed offsets
 *
 * A partition that refused a copy may not take the mark of the abort either; until it does, its transaction's id is of no
 * use, and its topic counts as away. So what follows goes on under another id, first waiting for that topic, then parking.
 */
export class TransactionalSink implements Sink {
  readonly #options: TransactionalSinkOptions;
  readonly #directory = new TopicDirectory();
  readonly #stopping = new AbortController();
  readonly #ids: TransactionalIds;
  readonly #away: AwayTopics;
  readonly #records: TransactionRecords;
  #producer: BatchProducer;
  #waiting: Work[] = [];
  readonly #room = new WaitingRoom(TRANSACTION_RECORDS_MAX);
  #working: Promise<void> | undefined;
  /** Topics of the transaction committed last: until its marks are in all of them, the next one hangs. */
  #ending: ReadonlySet<string> = new Set();

  constructor(options: TransactionalSinkOptions) {
    this.#options = options;
    const createProducer = (id: string) => new BatchProducer(options.kafka, options.metrics, id);
    const { transactionalId: base, logger } = options;
    this.#away = new AwayTopics({ ...options, directory: this.#directory });
    this.#records = new TransactionRecords({ ...options, away: this.#away, stopping: this.#stopping.signal });
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
    await Promise.all([this.#producer.discard(), this.#away.close()]);
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
      try {
        await this.#writeOut(works);
      } catch (cause) {
        const error = new SinkBroken(`a transaction failed: ${(cause as Error).message}`, { cause });
        for (const { job } of [...works, ...this.#waiting.splice(0)]) job.fail(error);
        this.#countWaiting();
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

  /**
   * Writes until it is done, or no more wanted. Each time a topic keeps a transaction from its end, the next one waits for that
   * topic, or does without it.
   * @throws when what failed has to be read again.
   */
  async #writeOut(works: readonly Work[]): Promise<void> {
    const records = works.flatMap((work) => work.records);
    const wanted = () => works.every(({ job }) => !job.over);
    for (let attempt = 1; works.length > 0; attempt += 1) {
      const writable = await this.#records.writable(records, wanted, this.#producer.client);
      if (writable === undefined) return;
      const transaction = this.#transaction(works, writable.records);
      const topics = new Set(writable.records.map(({ topic }) => topic));
      try {
        await this.#end(transaction, topics);
      } catch (error) {
        if (!(await this.#giveUp(transaction, error))) throw error;
        if (attempt > 1) await this.#options.clock.sleep(AGAIN_MS, this.#stopping.signal);
        continue;
      }
      this.#away.written(() => topics);
      this.#ending = topics;
      for (const [topic, count] of writable.parked) this.#options.metrics.parked(topic, count);
      for (const { job } of works) job.acknowledge();
      return;
    }
  }

  #transaction(works: readonly Work[], records: readonly OutgoingRecord[]): Transaction {
    return new Transaction({
      producer: this.#producer,
      directory: this.#directory,
      group: this.#options.group,
      records,
      batches: works.map(({ batch }) => batch),
      roundRecordsMax: TRANSACTION_RECORDS_MAX,
    });
  }

  /** Runs a transaction. One that hangs on a topic that cannot be written is not waited for. */
  async #end(transaction: Transaction, topics: ReadonlySet<string>): Promise<void> {
    const ended = new AbortController();
    const running = transaction.run().finally(() => ended.abort());
    const hanging = this.#whatHangs(new Set([...topics, ...this.#ending]), transaction, ended.signal);
    const first = Promise.race([running, hanging.then(() => running)]);
    try {
      await withDeadline(first, TRANSACTION_DEADLINE_MS, "a transaction did not end");
    } finally {
      ended.abort();
    }
  }

  /**
   * Resolves once the transaction has ended.
   * @throws when a topic keeps it from its end.
   */
  async #whatHangs(topics: ReadonlySet<string>, { refused }: Transaction, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.#options.clock.sleep(HANGING_LOOK_MS, ended).catch(() => {});
      for (const topic of topics) {
        if (ended.aborted) return;
        const why = await this.#away.whyHanging(topic);
        if (why === undefined || ended.aborted) continue;
        refused.set(topic, why);
        throw new Error(`it hangs: ${topic} cannot be written (${why})`);
      }
    }
  }

  /**
   * Nothing of it counts. Its id is taken anew, which ends the transaction for good, before anything is read again; or another
   * one is, while topics that refused do not take its end.
   * @returns whether it may be made again as it was: a topic was in its way, and it is certain that it is never committed.
   */
  async #giveUp(transaction: Transaction, cause: unknown): Promise<boolean> {
    const { logger } = this.#options;
    const neverCommitted = transaction.giveUp();
    logger.warn({ error: cause, transactionalId: this.#ids.current }, "a transaction failed: it is aborted");
    const { refused } = transaction;
    const parkable = [...transaction.oversized].filter((topic) => this.#records.foundTooLarge(topic));
    for (const [topic, why] of refused) this.#away.refused(topic, why);
    this.#directory.clear();
    await this.#producer.discard();
    // The brokers end the transaction by themselves, as soon as the topics that refused take a write.
    if (refused.size > 0) this.#away.waitFor(refused.keys(), this.#ids.setAside());
    await this.#ids.take(this.#stopping.signal).then(
      (producer) => {
        this.#producer = producer;
        this.#ending = new Set();
      },
      () => {},
    );
    const ofTopics = refused.size > 0 || parkable.length > 0 || isGone(cause);
    return neverCommitted && ofTopics && !this.#stopping.signal.aborted;
  }
}

/** A topic that was to be part of a transaction does not exist any more: which one, the next look shows. */
function isGone(error: unknown): boolean {
  return error instanceof Error && findErrorBy(error, "apiId", "UNKNOWN_TOPIC_OR_PARTITION") !== null;
}
