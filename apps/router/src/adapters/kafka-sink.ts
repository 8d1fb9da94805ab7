import type { Clock, KafkaSettings, Logger } from "@plugboard/runtime";
import { parkedCopy } from "../domain/outgoing.ts";
import { type OutgoingRecord, type RouterMetrics, type Sink, SinkBroken, type SourceBatch } from "../domain/ports.ts";
import { nextRound, type Round } from "../domain/produce-round.ts";
import { BatchProducer } from "./batch-producer.ts";
import { partitionOf } from "./partition-of.ts";
import type { PartAnswer } from "./produce-answer.ts";
import { SuspectLane } from "./suspect-lane.ts";
import { TopicDirectory } from "./topic-directory.ts";
import { type Entry, WriteJob } from "./write-job.ts";

export interface KafkaSinkOptions {
  readonly kafka: KafkaSettings;
  /** Topic for copies whose own topic cannot be written. */
  readonly parkedTopic: string;
  /** How long a topic may be unwritable before its copies are parked. */
  readonly parkAfterMs: number;
  /** Topics that nothing can stand in for: writing them is tried until it works. */
  readonly essential: ReadonlySet<string>;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Pause between looks while no broker answers. */
const LOOK_RETRY_MS = 500;

/**
 * Writes records at least once. One send is under way at a time, with everything that waits, up to the bounds of a round;
 * so order per partition is that of the calls.
 *
 *   write ─► queue ─► round ─► send ─► acknowledged
 *               │                ├─ a partition refused ─► its topic's own lane, until it works or is parked
 *               │                └─ no answer ─► broken: all given up, a new producer; the source reads again
 *               └─ topic has a lane ─► behind what waits there
 */
export class KafkaSink implements Sink {
  readonly #options: KafkaSinkOptions;
  readonly #directory = new TopicDirectory();
  readonly #lanes = new Map<string, SuspectLane>();
  readonly #jobs = new Set<WriteJob>();
  readonly #stopping = new AbortController();
  #producer: BatchProducer;
  /** Lanes send at the same time as the queue: a producer of their own, so that neither waits for nor resets the other. */
  #laneProducer: BatchProducer;
  #queue: Entry[] = [];
  #working: Promise<void> | undefined;

  constructor(options: KafkaSinkOptions) {
    this.#options = options;
    this.#producer = new BatchProducer(options.kafka, options.metrics);
    this.#laneProducer = new BatchProducer(options.kafka, options.metrics);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const job of this.#jobs) job.fail(new SinkBroken("the router stops"));
    await Promise.all([this.#producer.discard(), this.#laneProducer.discard()]);
    await this.#working;
  }

  async prepare(): Promise<void> {}

  async write(records: readonly OutgoingRecord[], { revoked }: SourceBatch): Promise<void> {
    if (records.length === 0) return;
    const job = new WriteJob(records.length, revoked);
    this.#jobs.add(job);
    for (const record of records) this.#queue.push({ record, job });
    this.#work();
    try {
      await job.done;
    } finally {
      this.#jobs.delete(job);
    }
  }

  #work(): void {
    this.#working ??= this.#sendQueue().finally(() => {
      this.#working = undefined;
      if (this.#queue.length > 0 && !this.#stopping.signal.aborted) this.#work();
    });
  }

  async #sendQueue(): Promise<void> {
    // Not in the caller's turn: `#working` must be set first, and what else is written in it goes along.
    await Promise.resolve();
    while (this.#queue.length > 0 && !this.#stopping.signal.aborted) {
      let unknownTopic: string | null = null;
      const round = nextRound(this.#queue, (entry) => {
        const { job, record } = entry;
        if (job.over) return "elsewhere";
        const lane = this.#lanes.get(record.topic);
        if (lane !== undefined) {
          lane.push(entry);
          return "elsewhere";
        }
        const partitions = this.#directory.partitions(record.topic);
        if (partitions !== undefined) return partitionOf(record, partitions);
        unknownTopic = record.topic;
        return "stop";
      });
      // Not `splice`: what stays is usually nothing, or long.
      this.#queue = round.taken === this.#queue.length ? [] : this.#queue.slice(round.taken);
      const producer = this.#producer;
      if (round.records > 0) this.#conclude(round, producer, await producer.send(round, this.#directory));
      else if (unknownTopic !== null) await this.#learn(unknownTopic);
    }
  }

  /** Finds out where a topic's records go. Waits while no broker answers. */
  async #learn(topic: string): Promise<void> {
    const state = await this.#directory.look(this.#producer.client, topic);
    switch (state.kind) {
      case "writable":
        return;
      case "unwritable":
        this.#openLane(topic, state.why);
        return;
      case "unknown":
        this.#options.logger.warn({ topic, error: state.error }, "no broker answers: writing waits");
        await this.#options.clock.sleep(LOOK_RETRY_MS, this.#stopping.signal).catch(() => {});
        return;
      default:
        state satisfies never;
    }
  }

  #conclude({ parts }: Round<Entry>, producer: BatchProducer, answers: readonly PartAnswer[]): void {
    for (const [index, { topic, items }] of parts.entries()) {
      const answer = answers[index] as PartAnswer;
      switch (answer.kind) {
        case "acknowledged":
          for (const { job } of items) job.acknowledge();
          break;
        case "refused": {
          const lane = this.#openLane(topic, answer.why);
          for (const entry of items) lane.push(entry);
          break;
        }
        case "unknown":
          this.#break(answer.error, producer);
          return;
        default:
          answer satisfies never;
      }
    }
  }

  #openLane(topic: string, why: string): SuspectLane {
    const open = this.#lanes.get(topic);
    if (open !== undefined) return open;
    const { essential, parkAfterMs, logger, clock } = this.#options;
    this.#directory.forget(topic);
    logger.warn({ topic, why }, "the topic cannot be written now: it is tried apart from the others");
    const lane = new SuspectLane({
      topic,
      why,
      parkAfterMs,
      mayPark: !essential.has(topic),
      producer: () => this.#laneProducer,
      directory: this.#directory,
      park: (entry) => this.#park(entry),
      onBroken: (error, producer) => this.#break(error, producer),
      onRecovered: () => this.#lanes.delete(topic),
      stopping: this.#stopping.signal,
      logger,
      clock,
    });
    this.#lanes.set(topic, lane);
    void lane.run();
    return lane;
  }

  #park({ record, job }: Entry): void {
    this.#options.metrics.parked(record.topic, 1);
    this.#queue.push({ record: parkedCopy(record, this.#options.parkedTopic), job });
    this.#work();
  }

  /** Nobody knows what was written: everything is given up, and neither producer is used again. */
  #break(cause: unknown, producer: BatchProducer): void {
    // What an earlier producer still reports has been given up with it.
    if (producer !== this.#producer && producer !== this.#laneProducer) return;
    const error = new SinkBroken(`the brokers did not say what was written: ${(cause as Error).message}`, { cause });
    this.#queue = [];
    for (const lane of this.#lanes.values()) lane.clear();
    for (const job of this.#jobs) job.fail(error);
    const { kafka, metrics } = this.#options;
    for (const used of [this.#producer, this.#laneProducer]) void used.discard();
    this.#producer = new BatchProducer(kafka, metrics);
    this.#laneProducer = new BatchProducer(kafka, metrics);
    this.#directory.clear();
  }
}
