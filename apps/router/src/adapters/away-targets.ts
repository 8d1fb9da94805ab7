import type { Clock, Logger } from "@plugboard/runtime";
import { ExponentialBackoff, type IBackoff } from "cockatiel";
import { UnendedTransactions } from "./unended-transactions.ts";

/** Between tries of a topic that does not take parked copies. */
const TRY_AFTER_MS = 2_000;
const TRY_AFTER_MS_MAX = 30_000;

/** Times are monotonic milliseconds. */
interface Away {
  why: string;
  backoff: IBackoff<unknown>;
  dueAt: number;
}

/** A topic that did not take its copies. */
interface Refused {
  readonly topic: string;
  readonly why: string;
  /** It found a copy, or a batch of them, too large. */
  readonly tooLarge: boolean;
  /** Resolves when the brokers have ended the transaction in which it refused: it takes nothing before. */
  readonly ended?: Promise<void>;
}

/**
 * The topics that do not take their parked copies back, as far as this process knows, and when one of them is tried again: by
 * one copy, whose acknowledgement alone says that the topic can be written. A topic is in here as long as copies for it are
 * held, and no longer than it takes one.
 */
export class AwayTargets {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #logger: Logger;
  readonly #backoff = new ExponentialBackoff({ initialDelay: TRY_AFTER_MS, maxDelay: TRY_AFTER_MS_MAX });
  readonly #away = new Map<string, Away>();
  readonly #narrow = new Set<string>();
  readonly #unended = new UnendedTransactions();

  constructor(clock: Pick<Clock, "monotonic">, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** How many copies a topic may get now: none, one to see whether it takes it, or all (Infinity). */
  may(topic: string): number {
    const away = this.#away.get(topic);
    if (away === undefined) return Number.POSITIVE_INFINITY;
    return !this.#unended.has(topic) && this.#clock.monotonic() >= away.dueAt ? 1 : 0;
  }

  /** Whether a batch was too large for it: its copies are sent one by one. */
  isNarrow(topic: string): boolean {
    return this.#narrow.has(topic);
  }

  refused({ topic, why, tooLarge, ended }: Refused): void {
    const away = this.#away.get(topic) ?? { why: "", backoff: this.#backoff.next(), dueAt: 0 };
    if (away.why !== why) this.#logger.warn({ topic, why }, "parked copies cannot go back yet: they are held");
    away.why = why;
    away.dueAt = this.#clock.monotonic() + away.backoff.duration;
    away.backoff = away.backoff.next(undefined);
    this.#away.set(topic, away);
    if (tooLarge) this.#narrow.add(topic);
    if (ended !== undefined) this.#unended.add([topic], ended);
  }

  /** It took a copy. */
  written(topic: string): void {
    if (this.#away.delete(topic)) this.#logger.info({ topic }, "parked copies go back to their topic");
  }

  /** None of its copies are held any more. */
  forget(topic: string): void {
    this.#narrow.delete(topic);
  }
}
