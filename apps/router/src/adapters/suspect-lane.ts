import type { Producer } from "@platformatic/kafka";
import type { Clock, Logger } from "@plugboard/runtime";
import type { RouterMetrics } from "../domain/ports.ts";
import { nextRound } from "../domain/produce-round.ts";
import { partitionOf, sendRound } from "./produce.ts";
import { MESSAGE_TOO_LARGE, partitionKey } from "./produce-answer.ts";
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
  readonly producer: () => Producer;
  readonly directory: TopicDirectory;
  readonly park: (entry: Entry) => void;
  readonly onBroken: (error: unknown, producer: Producer) => void;
  readonly onRecovered: () => void;
  readonly stopping: AbortSignal;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * One topic that refused records, apart from the others and in its own order, so that they do not wait for it.
 *
 *   trying ──all written──► recovered (the topic goes back to the common queue)
 *      └────too long without success, while the brokers answer──► parking ──writable again──► recovered
 *
 * Bounded by the bytes in flight: its entries belong to batches that are not settled.
 */
export class SuspectLane {
  readonly #options: SuspectLaneOptions;
  #entries: Entry[] = [];
  #mode: "trying" | "parking" = "trying";
  #why: string;
  #since: number;
  /** Set once a batch was too large for the topic: its records are tried one by one. */
  #oneByOne = false;

  constructor(options: SuspectLaneOptions) {
    this.#options = options;
    this.#why = options.why;
    this.#since = options.clock.monotonic();
  }

  push(entry: Entry): void {
    if (this.#mode === "parking") this.#options.park(entry);
    else this.#entries.push(entry);
  }

  /** Forgets what waits here. */
  clear(): void {
    this.#entries = [];
  }

  /** Runs until the topic is written again, or the sink stops. */
  async run(): Promise<void> {
    const { topic, stopping, clock, logger } = this.#options;
    while (!stopping.aborted) {
      // Looked at again in this turn: what was pushed since the attempt ended would be left in a lane nobody runs.
      if ((await this.#attempt()) && this.#entries.length === 0) {
        logger.info({ topic }, "the topic is written again");
        return this.#options.onRecovered();
      }
      this.#parkWhenDue();
      await clock.sleep(this.#mode === "parking" ? PROBE_MS : RETRY_MS, stopping).catch(() => {});
    }
  }

  /** @returns true when the topic can be written and nothing waits. */
  async #attempt(): Promise<boolean> {
    const { topic, directory, producer, clock } = this.#options;
    const state = await directory.look(producer(), topic);
    switch (state.kind) {
      case "unwritable":
        this.#why = state.why;
        return false;
      case "unknown":
        // Not this topic's fault: nobody answers at all. Its time begins when they do.
        this.#since = clock.monotonic();
        return false;
      case "writable":
        while (this.#entries.length > 0) if (!(await this.#sendSome(state.partitions))) return false;
        return true;
      default:
        return state satisfies never;
    }
  }

  /** Sends from the front. @returns false when something was refused, or nobody answered. */
  async #sendSome(partitions: number): Promise<boolean> {
    const { metrics } = this.#options;
    const producer = this.#options.producer();
    const entries = this.#entries.filter(({ job }) => !job.over);
    this.#entries = entries;
    const waiting = this.#oneByOne ? entries.slice(0, 1) : entries;
    const { round, taken, bytes } = nextRound(waiting, ({ record }) => partitionOf(record, partitions));
    if (round.length === 0) return true;
    const answer = await sendRound(producer, round, bytes, metrics);
    // Cleared meanwhile: what was sent has been given up.
    if (this.#entries !== entries) return false;
    const refused: Entry[] = [];
    let tooLarge = false;
    for (const { item, partition } of round) {
      const key = partitionKey(item.record.topic, partition);
      if (answer.acknowledged.has(key)) {
        item.job.acknowledge();
        continue;
      }
      const refusal = answer.refused.get(key);
      if (refusal === undefined) {
        this.#options.onBroken(answer.error ?? new Error(`no acknowledgement of ${key}`), producer);
        return false;
      }
      this.#why = refusal.why;
      tooLarge ||= refusal.code === MESSAGE_TOO_LARGE;
      refused.push(item);
    }
    this.#entries = refused.concat(entries.slice(taken));
    if (!tooLarge) return refused.length === 0;
    if (!this.#oneByOne) {
      this.#oneByOne = true;
      return true;
    }
    return this.#parkFirst();
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
    const { topic, logger, mayPark, park, clock, parkAfterMs } = this.#options;
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
    for (const entry of this.#entries.splice(0)) if (!entry.job.over) park(entry);
  }
}
