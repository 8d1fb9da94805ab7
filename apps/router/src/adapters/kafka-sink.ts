import type { Clock, KafkaSettings, Logger } from "@plugboard/runtime";
import { parkedCopy } from "../domain/outgoing.ts";
import {
  type OutgoingRecord,
  type RouterMetrics,
  type Sink,
  SinkBroken,
  type SourceBatch,
  type UnwritableTopic,
} from "../domain/ports.ts";
import { nextRound, ROUND_RECORDS_MAX, type Round } from "../domain/produce-round.ts";
import { WaitingRoom } from "../domain/waiting-room.ts";
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
/** While brokers write what one has sent, the other's records are encoded (docs/performance.md). */
const CHANNELS = 2;
/** Then no more are routed: what waits should fill the next sends, and is moved by the collector. */
const WAITING_RECORDS_MAX = ROUND_RECORDS_MAX;

/** Records of some topics, in the order of the calls, and who sends them. */
interface Channel {
  queue: Entry[];
  producer: BatchProducer;
  working: Promise<void> | undefined;
}

/**
 * Writes records at least once. A topic belongs to one channel; in each, one send is under way at a time, with everything
 * that waits, up to the bounds of a round. So order per partition is that of the calls.
 *
 *   write ─► channel's queue ─► round ─► send ─► acknowledged
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
  readonly #channels: readonly Channel[];
  /** As many entries as there are topics. */
  readonly #channelOf = new Map<string, Channel>();
  /** Lanes send at the same time as the channels: a producer of their own, so that neither waits for nor resets the other. */
  #laneProducer: BatchProducer;
  readonly #waiting = new WaitingRoom(WAITING_RECORDS_MAX);

  constructor(options: KafkaSinkOptions) {
    this.#options = options;
    this.#channels = Array.from({ length: CHANNELS }, () => ({
      queue: [],
      producer: this.#createProducer(),
      working: undefined,
    }));
    this.#laneProducer = this.#createProducer();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#waiting.close();
    for (const job of this.#jobs) job.fail(new SinkBroken("the router stops"));
    await Promise.all([...this.#producers].map((producer) => producer.discard()));
    await Promise.all(this.#channels.map(({ working }) => working));
  }

  async prepare(): Promise<void> {}

  unwritable(): UnwritableTopic[] {
    return [...this.#lanes.values()].map(({ state }) => state);
  }

  room(): Promise<void> {
    return this.#waiting.room();
  }

  async write(records: readonly OutgoingRecord[], { revoked }: SourceBatch): Promise<void> {
    if (records.length === 0) return;
    const job = new WriteJob(records.length, revoked);
    this.#jobs.add(job);
    for (const record of records) this.#channel(record.topic).queue.push({ record, job });
    this.#countWaiting();
    for (const channel of this.#channels) this.#work(channel);
    try {
      await job.done;
    } finally {
      this.#jobs.delete(job);
    }
  }

  #createProducer(): BatchProducer {
    return new BatchProducer(this.#options.kafka, this.#options.metrics);
  }

  get #producers(): ReadonlySet<BatchProducer> {
    return new Set([this.#laneProducer, ...this.#channels.map(({ producer }) => producer)]);
  }

  /** Topics take turns, in the order of their first record. */
  #channel(topic: string): Channel {
    let channel = this.#channelOf.get(topic);
    if (channel === undefined) {
      channel = this.#channels[this.#channelOf.size % CHANNELS] as Channel;
      this.#channelOf.set(topic, channel);
    }
    return channel;
  }

  #countWaiting(): void {
    this.#waiting.set(this.#channels.reduce((sum, { queue }) => sum + queue.length, 0));
  }

  #work(channel: Channel): void {
    channel.working ??= this.#sendQueue(channel).finally(() => {
      channel.working = undefined;
      if (channel.queue.length > 0 && !this.#stopping.signal.aborted) this.#work(channel);
    });
  }

  async #sendQueue(channel: Channel): Promise<void> {
    // Not in the caller's turn: `working` must be set first, and what else is written in it goes along.
    await Promise.resolve();
    while (channel.queue.length > 0 && !this.#stopping.signal.aborted) {
      let unknownTopic: string | null = null;
      const round = nextRound(channel.queue, (entry) => {
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
      channel.queue = round.taken === channel.queue.length ? [] : channel.queue.slice(round.taken);
      this.#countWaiting();
      const { producer } = channel;
      if (round.records > 0) this.#conclude(round, producer, await producer.send(round, this.#directory));
      else if (unknownTopic !== null) await this.#learn(unknownTopic, producer);
    }
  }

  /** Finds out where a topic's records go. Waits while no broker answers. */
  async #learn(topic: string, { client }: BatchProducer): Promise<void> {
    const state = await this.#directory.look(client, topic);
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
    const channel = this.#channel(this.#options.parkedTopic);
    channel.queue.push({ record: parkedCopy(record, this.#options.parkedTopic), job });
    this.#work(channel);
  }

  /** Nobody knows what was written: everything is given up, and no producer is used again. */
  #break(cause: unknown, producer: BatchProducer): void {
    // What an earlier producer still reports has been given up with it.
    const producers = this.#producers;
    if (!producers.has(producer)) return;
    const error = new SinkBroken(`the brokers did not say what was written: ${(cause as Error).message}`, { cause });
    for (const channel of this.#channels) {
      channel.queue = [];
      channel.producer = this.#createProducer();
    }
    this.#countWaiting();
    for (const lane of this.#lanes.values()) lane.clear();
    for (const job of this.#jobs) job.fail(error);
    for (const used of producers) void used.discard();
    this.#laneProducer = this.#createProducer();
    this.#directory.clear();
  }
}
