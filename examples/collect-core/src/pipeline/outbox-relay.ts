import { setTimeout as delay } from "node:timers/promises";
import { type Component, type HealthCheck, type Logger, withDeadline } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { eventRecord } from "../domain/outbox-event.ts";
import type { EventSink, Outbox } from "../domain/ports.ts";
import type { CoreMetrics } from "../metrics.ts";

/** Lanes worked on at once by one instance: one reads from Postgres while the other waits for Kafka. */
const WORKERS = 2;
/** Finds what another instance wrote before it died, milliseconds; an instance's own writes wake its relay at once. */
const POLL_MS = 500;
/** Longest wait for Kafka's acknowledgement, milliseconds; under the database's own limit for an idle transaction. */
const EMIT_DEADLINE_MS = 60_000;
const BACKOFF = { initialDelay: 100, maxDelay: 5_000 };
/** Longest the outbox is emptied while draining, milliseconds; what is left waits for the next start. */
const DRAIN_MS_MAX = 5_000;

export interface OutboxRelayOptions {
  readonly outbox: Outbox;
  readonly sink: EventSink;
  readonly topic: string;
  readonly metrics: CoreMetrics;
  readonly logger: Logger;
}

/**
 * Emits what the outbox holds.
 *
 *   worker: claim a lane ─► emit its oldest events ─► acknowledged: delete and commit ─► next lane
 *              │ nothing to claim                       │ failed: everything stays
 *              ▼                                        ▼
 *        wait for a wake-up or the poll            back off, try again for ever
 *
 * A relay that dies between acknowledgement and commit emits the same events again under the same ids.
 */
export class OutboxRelay implements Component {
  readonly name = "outbox-relay";
  readonly #options: OutboxRelayOptions;
  readonly #stopping = new AbortController();
  #workers: Promise<unknown> = Promise.resolve();
  #problem: string | null = null;
  /** Counts wake-ups, so that one which comes while a worker is still looking is not lost. */
  #wakes = 0;
  #idle: (() => void)[] = [];

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
  }

  /** Something was written: look at once. */
  wake(): void {
    this.#wakes += 1;
    for (const resume of this.#idle.splice(0)) resume();
  }

  get health(): HealthCheck {
    return { name: "outbox", critical: false, problem: () => this.#problem };
  }

  async start(): Promise<void> {
    this.#workers = Promise.all(Array.from({ length: WORKERS }, () => this.#work()));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#workers;
    const until = performance.now() + DRAIN_MS_MAX;
    try {
      while (performance.now() < until && (await this.#pass()) > 0);
    } catch (error) {
      this.#options.logger.warn({ error }, "the outbox is not empty; the next start goes on");
    }
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    const persist = retry(handleAll, {
      maxAttempts: Number.POSITIVE_INFINITY,
      backoff: new ExponentialBackoff(BACKOFF),
    });
    persist.onFailure(({ reason }) => this.#failed("error" in reason ? reason.error : new Error("failed")));
    while (!signal.aborted) {
      const wakes = this.#wakes;
      try {
        const emitted = await persist.execute(() => this.#pass(), signal);
        this.#problem = null;
        if (emitted === 0 && wakes === this.#wakes) await this.#rest();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  #pass(): Promise<number> {
    const { outbox, sink, topic, metrics } = this.#options;
    return outbox.relay(async (events) => {
      await withDeadline(sink.send(topic, events.map(eventRecord)), EMIT_DEADLINE_MS, "Kafka did not acknowledge");
      for (const { type } of events) metrics.emitted.inc({ event: type });
    });
  }

  #failed(error: unknown): void {
    this.#problem = (error as Error).message;
    this.#options.metrics.relayFailures.inc();
    this.#options.logger.warn({ error }, "events could not be emitted; trying again");
  }

  async #rest(): Promise<void> {
    const timer = new AbortController();
    const woken = new Promise<void>((resolve) => this.#idle.push(resolve));
    await Promise.race([woken, delay(POLL_MS, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
}
