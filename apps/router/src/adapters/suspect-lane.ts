import type { Clock, Logger } from "@plugboard/runtime";
import type { UnwritableTopic } from "../domain/ports.ts";
import { nextRound } from "../domain/produce-round.ts";
import type { BatchProducer } from "./batch-producer.ts";
import { partitionOf } from "./partition-of.ts";
import { MESSAGE_TOO_LARGE, type PartAnswer } from "./produce-answer.ts";
import type { TopicDirectory } from "./topic-directory.ts";
import type { Entry } from "./write-job.ts";

/** Pause between attempts, and between looks at a topic whose copies are parked. */
const RETRY_MS = 500;
const PROBE_MS = 2_000;

export interface SuspectLaneOptions {
  readonly topic: string;
  readonly why: string;
  readonly mayPark: boolean;
  /** How long the topic may be unwritable before its copies are parked: longer than an election, or its creation. */
  readonly parkAfterMs: number;
  readonly producer: () => BatchProducer;
  readonly directory: TopicDirectory;
  readonly park: (entry: Entry) => void;
  readonly onBroken: (error: unknown, producer: BatchProducer) => void;
  readonly onRecovered: () => void;
  readonly stopping: AbortSignal;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * One topic that refused records, apart from the others and in its own order, so that they do not wait for it.
 *
 *   trying ──all written──► recovered (the topic goes back to the common queue)
 *      └────too long without success, while the brokers answer──► parking
 *
 *   parking: copies of a partition that refuses, and all while the topic is not there, are parked as they come; the other
 *   partitions' are written. Every two seconds the next copy is tried all the same.
 *      └────a copy acknowledged, and no partition that still refuses──► recovered
 *
 * That a topic has a leader says little: below its minimum of replicas it has one too. So only an acknowledgement ends
 * the parking; else the topic would hold up its batches anew each time it only looked writable.
 *
 * Bounded by the bytes in flight: its entries belong to batches that are not settled.
 */
export class SuspectLane {
  readonly #options: SuspectLaneOptions;
  #entries: Entry[] = [];
  #mode: "trying" | "parking" = "trying";
  #why: string;
  #since: number;
  readonly #openedAt: number;
  /** Set once a batch was too large for the topic: its records are tried one by one. */
  #oneByOne = false;
  /** The topic cannot be written at all: it has no partitions, or no leaders. */
  #away = false;
  /**
   * Partitions that refused last, and from when a copy is tried there while parking (monotonic). Once it is that time, those
   * behind it wait for its answer.
   */
  readonly #refusing = new Map<number, number>();
  /** A copy was acknowledged since the topic, or a partition of it, was last found unwritable. */
  #acknowledged = false;
  /** When to ask for the topic's leaders again (monotonic). */
  #lookAt = 0;
  #pushed = new AbortController();

  constructor(options: SuspectLaneOptions) {
    this.#options = options;
    this.#why = options.why;
    this.#since = options.clock.monotonic();
    this.#openedAt = this.#since;
  }

  get state(): UnwritableTopic {
    const { topic } = this.#options;
    return { topic, why: this.#why, sinceMs: this.#openedAt, parking: this.#mode === "parking" };
  }

  push(entry: Entry): void {
    if (this.#mode === "parking" && this.#isRefused(entry)) {
      this.#options.park(entry);
      return;
    }
    this.#entries.push(entry);
    if (this.#mode === "parking") this.#pushed.abort();
  }

  /** Forgets what waits here. */
  clear(): void {
    this.#entries = [];
  }

  /** Runs until the topic is written again, or the sink stops. */
  async run(): Promise<void> {
    const { topic, stopping, logger } = this.#options;
    while (!stopping.aborted) {
      const written = await this.#attempt();
      // Looked at again in this turn: what was pushed since the attempt ended would be left in a lane nobody runs.
      if (written && this.#entries.length === 0 && this.#isOver()) {
        logger.info({ topic }, "the topic is written again");
        return this.#options.onRecovered();
      }
      this.#parkWhenDue();
      await this.#pause(written);
    }
  }

  #isOver(): boolean {
    return this.#mode === "trying" || (this.#acknowledged && this.#refusing.size === 0);
  }

  /** Between attempts. While parking, a copy that is worth trying ends it. */
  async #pause(written: boolean): Promise<void> {
    const { clock, stopping } = this.#options;
    if (this.#mode === "trying" || (!written && !this.#away)) return clock.sleep(RETRY_MS, stopping).catch(() => {});
    if (this.#entries.length > 0) return;
    this.#pushed = new AbortController();
    await clock.sleep(PROBE_MS, AbortSignal.any([stopping, this.#pushed.signal])).catch(() => {});
  }

  /** Whether a copy would be refused now: then it is parked at once. */
  #isRefused({ record }: Entry): boolean {
    if (this.#away) return true;
    const { directory, topic, clock } = this.#options;
    const partitions = directory.partitions(topic);
    if (partitions === undefined) return false;
    return (this.#refusing.get(partitionOf(record, partitions)) ?? 0) > clock.monotonic();
  }

  /** @returns true when the topic can be written and nothing waits. */
  async #attempt(): Promise<boolean> {
    const { topic, directory, producer, clock } = this.#options;
    let partitions = directory.partitions(topic);
    if (partitions === undefined || clock.monotonic() >= this.#lookAt) {
      const state = await directory.look(producer().client, topic);
      // Not this topic's fault: nobody answers at all. Its time begins when they do.
      if (state.kind === "unknown") this.#since = clock.monotonic();
      if (state.kind === "unwritable") this.#wentAway(state.why);
      if (state.kind !== "writable") return false;
      this.#lookAt = clock.monotonic() + PROBE_MS;
      this.#away = false;
      partitions = state.partitions;
    }
    while (this.#entries.length > 0) if (!(await this.#sendSome(partitions))) return false;
    return true;
  }

  #wentAway(why: string): void {
    this.#why = why;
    this.#away = true;
    this.#acknowledged = false;
    this.#refusing.clear();
    if (this.#mode === "parking") this.#parkRefused();
  }

  /** Sends from the front. @returns false when something was refused, or nobody answered. */
  async #sendSome(partitions: number): Promise<boolean> {
    const { directory } = this.#options;
    const producer = this.#options.producer();
    const entries = this.#entries.filter(({ job }) => !job.over);
    this.#entries = entries;
    const waiting = this.#oneByOne ? entries.slice(0, 1) : entries;
    const round = nextRound(waiting, ({ record }) => partitionOf(record, partitions));
    if (round.records === 0) return true;
    const answers = await producer.send(round, directory);
    // Cleared meanwhile: what was sent has been given up.
    if (this.#entries !== entries) return false;
    const refused = new Set<Entry>();
    let tooLarge = false;
    for (const [index, { partition, items }] of round.parts.entries()) {
      const answer = answers[index] as PartAnswer;
      if (answer.kind === "unknown") {
        this.#options.onBroken(answer.error, producer);
        return false;
      }
      if (answer.kind === "acknowledged") {
        for (const { job } of items) job.acknowledge();
        this.#refusing.delete(partition);
        this.#acknowledged = true;
        continue;
      }
      for (const item of items) refused.add(item);
      if (answer.code === MESSAGE_TOO_LARGE) tooLarge = true;
      else this.#refusedBy(partition);
      this.#why = answer.why;
    }
    // Not in the order of the parts: as they stood.
    this.#entries = entries.filter((entry, index) => index >= round.taken || refused.has(entry));
    if (this.#mode === "parking") this.#parkRefused();
    if (!tooLarge) return refused.size === 0;
    if (!this.#oneByOne) {
      this.#oneByOne = true;
      return true;
    }
    return this.#parkFirst();
  }

  #refusedBy(partition: number): void {
    this.#refusing.set(partition, this.#options.clock.monotonic() + PROBE_MS);
    this.#acknowledged = false;
    this.#lookAt = 0;
  }

  /** Parks what waits and would be refused, in its order. */
  #parkRefused(): void {
    const entries = this.#entries;
    this.#entries = [];
    for (const entry of entries) {
      if (!this.#isRefused(entry)) this.#entries.push(entry);
      else if (!entry.job.over) this.#options.park(entry);
    }
  }

  /** A record above the topic's own limit: waiting would not help. @returns false when it has to wait all the same. */
  #parkFirst(): boolean {
    const { topic, logger, mayPark, park } = this.#options;
    const [first] = this.#entries;
    if (!mayPark || first === undefined) return false;
    logger.error({ topic, bytes: first.record.bytes }, "a copy is above the topic's max.message.bytes: parked");
    this.#entries.shift();
    park(first);
    return true;
  }

  #parkWhenDue(): void {
    const { topic, logger, mayPark, clock, parkAfterMs } = this.#options;
    if (this.#mode === "parking" || clock.monotonic() - this.#since < parkAfterMs) return;
    if (!mayPark) {
      this.#since = clock.monotonic();
      logger.error(
        { topic, why: this.#why, waiting: this.#entries.length },
        "the topic cannot be written: routing waits",
      );
      return;
    }
    this.#mode = "parking";
    logger.error(
      { topic, why: this.#why, copies: this.#entries.length },
      "the topic cannot be written: copies are parked",
    );
    this.#parkRefused();
  }
}
