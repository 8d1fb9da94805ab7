import { type Logger, withDeadline } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import type { BatchProducer } from "./batch-producer.ts";

/** Ids of one instance, all but one of them normally unused. Each transaction that brokers cannot end takes one up. */
const IDS_MAX = 16;
/** An id is taken in milliseconds; longer, and the brokers cannot end the transaction that was open under it. */
const TAKE_DEADLINE_MS = 4_000;
/** For one that is set aside: its client asks every few milliseconds, so it is given little time, and long pauses. */
const RETAKE_DEADLINE_MS = 500;

export interface TransactionalIdsOptions {
  /** The first id; the others begin with it. */
  readonly base: string;
  readonly createProducer: (id: string) => BatchProducer;
  /** Says in one line why an id was not given. */
  readonly why: (error: unknown) => string;
  readonly stopping: AbortSignal;
  readonly logger: Logger;
}

/**
 * The transactional ids of one instance. A transaction that was aborted, or committed, is over once every partition in it
 * has taken a marker, which a partition below its minimum of replicas does not: until it does, the brokers refuse its id for
 * anything else. Then another id is taken, so that one such partition does not stop the instance.
 *
 * What an id is for is kept without it: a predecessor's commit is refused by its membership in the group, and what it left
 * open is aborted by the brokers after the transaction's time-out.
 */
export class TransactionalIds {
  readonly #options: TransactionalIdsOptions;
  readonly #retry = retry(handleAll, {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
  });
  readonly #ids: readonly string[];
  readonly #aside = new Set<string>();
  #current: string;

  constructor(options: TransactionalIdsOptions) {
    this.#options = options;
    this.#ids = Array.from({ length: IDS_MAX }, (_, index) =>
      index === 0 ? options.base : `${options.base}~${index}`,
    );
    this.#current = options.base;
  }

  /** The id taken last. */
  get current(): string {
    return this.#current;
  }

  /**
   * Takes an id: fences who had it before and ends what was left open. Tries the last one first, then those that are free.
   * @throws when aborted.
   */
  async take(signal: AbortSignal): Promise<BatchProducer> {
    let next = this.#ids.indexOf(this.#current);
    return this.#retry.execute(async () => {
      const free = this.#ids.filter((id) => !this.#aside.has(id));
      // With all of them aside there is nothing better than the one whose turn it is.
      const turn = [...this.#ids.slice(next), ...this.#ids.slice(0, next)].find((id) => free.includes(id));
      const id = turn ?? (this.#ids[next] as string);
      next = (this.#ids.indexOf(id) + 1) % IDS_MAX;
      try {
        const producer = await this.#take(id, TAKE_DEADLINE_MS);
        this.#current = id;
        return producer;
      } catch (error) {
        const { why, logger } = this.#options;
        logger.warn(
          { reason: why(error), error, transactionalId: id },
          "the transactional id cannot be taken: trying another",
        );
        throw error;
      }
    }, signal);
  }

  /**
   * Leaves the id taken last until the brokers have ended its transaction.
   * @returns resolves then: every partition of that transaction has taken a write. Never resolves once stopping.
   */
  async setAside(): Promise<void> {
    const id = this.#current;
    this.#aside.add(id);
    const producer = await this.#retry.execute(() => this.#take(id, RETAKE_DEADLINE_MS), this.#options.stopping);
    this.#aside.delete(id);
    await producer.discard();
  }

  async #take(id: string, deadlineMs: number): Promise<BatchProducer> {
    const producer = this.#options.createProducer(id);
    try {
      await withDeadline(beginAndCancel(producer), deadlineMs, `the brokers do not give ${id}`);
      return producer;
    } catch (error) {
      await producer.discard();
      throw error;
    }
  }
}

async function beginAndCancel({ client }: BatchProducer): Promise<void> {
  const transaction = await client.beginTransaction();
  await transaction.cancel();
}
