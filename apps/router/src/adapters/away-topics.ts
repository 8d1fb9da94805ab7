import type { Producer } from "@platformatic/kafka";
import type { Clock, KafkaSettings, Logger } from "@plugboard/runtime";
import type { UnwritableTopic } from "../domain/ports.ts";
import { InSyncMinimum } from "./in-sync-minimum.ts";
import type { TopicDirectory } from "./topic-directory.ts";
import { UnendedTransactions } from "./unended-transactions.ts";

/** Between looks at a topic whose copies are parked. */
const PROBE_MS = 2_000;
/** Between tries of one that refused copies, while they are parked: when it refuses again, a whole transaction is undone. */
const TRY_MS = 30_000;
/**
 * How long a topic may be away before its copies are parked, unless the setting says otherwise. Everything waits for it, so what
 * brokers' metadata show (it is gone, leaderless, or has too few replicas in sync) counts from the second look on. A
 * refusal without that may be a leader that has just moved.
 */
const SEEN_AWAY_MS = 250;
const REFUSED_MS = 10_000;

export interface AwayTopicsOptions {
  readonly kafka: KafkaSettings;
  readonly directory: TopicDirectory;
  /** How long a topic may be away before its copies are parked; undefined for as long as is best. */
  readonly parkAfterMs: number | undefined;
  /** Topics whose records are never parked. */
  readonly essential: ReadonlySet<string>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Times are monotonic milliseconds. */
interface Away {
  readonly since: number;
  why: string;
  parked: boolean;
  lookAt: number;
  /** It looks writable and refused: only a transaction that it was part of says that it is written again. */
  refused: boolean;
}

/**
 * The topics that transactions cannot write, as far as is known.
 *
 *   there ──not found, no leader, too few in sync, refused──► away ──too long──► parked
 *     ▲                                        │                  │
 *     └──found again; one that refused: in a transaction that was committed
 */
export class AwayTopics {
  readonly #options: AwayTopicsOptions;
  readonly #away = new Map<string, Away>();
  readonly #unended = new UnendedTransactions();
  readonly #inSync: InSyncMinimum;

  constructor(options: AwayTopicsOptions) {
    this.#options = options;
    this.#inSync = new InSyncMinimum(options);
  }

  async close(): Promise<void> {
    await this.#inSync.close();
  }

  list(): UnwritableTopic[] {
    return [...this.#away].map(([topic, { why, since, parked }]) => ({ topic, why, sinceMs: since, parking: parked }));
  }

  isParked(topic: string): boolean {
    return this.#away.get(topic)?.parked === true;
  }

  /** Whether a transaction may write it; looks when that is not known. */
  async isWritable(topic: string, client: Producer): Promise<boolean> {
    const { clock, logger, directory } = this.#options;
    const away = this.#away.get(topic);
    if (away === undefined && directory.partitions(topic) !== undefined) return true;
    if (away?.parked && clock.monotonic() < away.lookAt) return false;
    const state = await this.#inSync.judge(topic, await directory.look(client, topic));
    switch (state.kind) {
      case "writable":
        if (away !== undefined && this.#unended.has(topic)) {
          this.#note(topic, away.why, PROBE_MS, REFUSED_MS);
          return false;
        }
        if (away?.refused !== true) this.#isBack(topic);
        return true;
      case "unknown":
        logger.warn({ topic, error: state.error }, "no broker answers: writing waits");
        return false;
      case "unwritable":
        directory.forget(topic);
        this.#note(topic, state.why, PROBE_MS, SEEN_AWAY_MS);
        return false;
      default:
        return state satisfies never;
    }
  }

  /** Why a transaction under way gets no acknowledgement from a topic; undefined when that is not to be seen. */
  async whyHanging(topic: string): Promise<string | undefined> {
    const state = await this.#inSync.look(this.#options.directory, topic);
    return state.kind === "unwritable" ? state.why : undefined;
  }

  /** A topic that looked writable refused a copy. */
  refused(topic: string, why: string): void {
    this.#note(topic, why, TRY_MS, REFUSED_MS).refused = true;
  }

  /** Topics that refused are not tried before the brokers have ended the transaction in which they did. */
  waitFor(topics: Iterable<string>, ended: Promise<void>): void {
    this.#unended.add(topics, ended);
  }

  /** A transaction with copies for these topics was committed. */
  written(topics: () => Iterable<string>): void {
    if (this.#away.size > 0) for (const topic of topics()) this.#isBack(topic);
  }

  #isBack(topic: string): void {
    if (this.#away.delete(topic)) this.#options.logger.info({ topic }, "the topic is written again");
  }

  /** @param patienceMs how long it may be so, where the setting does not say. */
  #note(topic: string, why: string, lookAfterMs: number, patienceMs: number): Away {
    const { clock, essential, parkAfterMs = patienceMs, logger } = this.#options;
    const now = clock.monotonic();
    let away = this.#away.get(topic);
    if (away === undefined) {
      logger.warn({ topic, why }, "the topic cannot be written now: routing waits for it");
      away = { since: now, why, parked: false, lookAt: now, refused: false };
      this.#away.set(topic, away);
    } else if (!away.parked && !essential.has(topic) && now - away.since >= parkAfterMs) {
      logger.error({ topic, why }, "the topic cannot be written: copies are parked");
      away.parked = true;
    }
    away.why = why;
    away.lookAt = now + lookAfterMs;
    return away;
  }
}
