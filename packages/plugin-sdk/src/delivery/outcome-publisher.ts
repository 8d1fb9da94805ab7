import { DELIVERY_HEADER, type DeliveryOutcome, type DeliveryRecord } from "@plugboard/contract";
import type { OutgoingRecord, SafeProducer } from "@plugboard/kafka";
import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import type { SdkMetrics } from "../metrics.ts";
import type { Received } from "./received.ts";

/** What `attempt` found; with the delivery it makes a record of the topic `deliveries`. */
export interface OutcomeReport {
  readonly outcome: DeliveryOutcome;
  readonly attempt: number;
  readonly reason: string | null;
  readonly durationMs: number | null;
  readonly retryAt: string | null;
}

export interface OutcomePublisherParts {
  readonly plugin: string;
  readonly topic: string;
  /** Whether a delivery that went well at its first attempt is published. */
  readonly all: boolean;
  readonly producer: Pick<SafeProducer, "send">;
  readonly metrics: SdkMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Outcomes waiting to be sent: at about 1 KB each, 10 MB. Beyond it new ones are dropped and counted. */
const PENDING_MAX = 10_000;
const BATCH_RECORDS_MAX = 500;
/** Tries per batch: with the back-off about half a minute, then the batch is dropped and counted. */
const SEND_ATTEMPTS_MAX = 8;

/**
 * Publishes outcomes beside the work, in batches.
 *
 * What it guarantees: an offset is committed only after the outcomes of its window were acknowledged, or after waiting
 * five seconds for that. So an outcome is missing only if Kafka took none for half a minute (counted in
 * `plugin_outcomes_dropped_total`) or the process was killed between settlement and publishing; the record then comes
 * again and is published as `duplicate`, with the earlier outcome as its reason.
 */
export class OutcomePublisher implements Component {
  readonly name = "outcome-publisher";
  readonly #parts: OutcomePublisherParts;
  readonly #log: SparseLog;
  readonly #stop = new AbortController();
  #pending: OutgoingRecord[] = [];
  #sending: Promise<void> | null = null;
  /** Outcomes taken for publishing, and those published or dropped: in the same order. */
  #taken = 0;
  #concluded = 0;
  /** Who waits for how many to be concluded. */
  readonly #flushes = new Set<{ readonly upTo: number; readonly wake: () => void }>();

  constructor(parts: OutcomePublisherParts) {
    this.#parts = parts;
    this.#log = new SparseLog(parts.logger, parts.clock);
  }

  /** Never waits, never throws. */
  report(received: Received, report: OutcomeReport): void {
    const { metrics, plugin, clock } = this.#parts;
    metrics.deliveries.inc({ outcome: report.outcome });
    if (report.outcome === "delivered") this.#delivered(received);
    if (this.#parts.logger.isLevelEnabled("debug")) this.#tell(received, report);
    if (!this.#parts.all && report.outcome === "delivered" && report.attempt === 1) return;
    if (this.#pending.length >= PENDING_MAX) {
      this.#dropped(1, "too many are waiting");
      return;
    }
    this.#taken += 1;
    const record = recordOf(plugin, received, report, new Date(clock.now()).toISOString());
    this.#pending.push({
      key: record.responseId ?? record.eventId,
      value: JSON.stringify(record),
      headers: {
        "content-type": "application/json",
        [DELIVERY_HEADER.plugin]: plugin,
        [DELIVERY_HEADER.team]: record.team,
      },
    });
    this.#sending ??= this.#drain();
  }

  #delivered({ event, routedAt, lane }: Received): void {
    const { metrics, clock } = this.#parts;
    const secondsSince = (time: string) => Math.max(0, (clock.now() - Date.parse(time)) / 1_000);
    if (event.time !== null) metrics.eventSeconds.observe({ lane }, secondsSince(event.time));
    // Whoever writes to the topic may have written any text there.
    const routed = routedAt === null ? Number.NaN : secondsSince(routedAt);
    if (!Number.isNaN(routed)) metrics.routedSeconds.observe({ lane }, routed);
  }

  /** The one wide line of an outcome. Names are those of docs/logs.md. */
  #tell({ id, event, origin, routeVersion, record }: Received, report: OutcomeReport): void {
    const { plugin, logger } = this.#parts;
    const { id: eventId, teamId: team, type, formId: form, responseId: response, revision } = event;
    const where = { origin, readFrom: record.readFrom, routeVersion };
    logger.debug(
      { deliveryId: id, plugin, team, event: type, eventId, form, response, revision, ...where, ...report },
      "outcome",
    );
  }

  /** Waits until what was reported so far is acknowledged, but not longer than `ms`; what comes after it is not waited for. */
  async flush(ms: number): Promise<void> {
    const upTo = this.#taken;
    if (this.#concluded >= upTo) return;
    const late = new AbortController();
    const timer = this.#parts.clock.sleep(ms, late.signal).catch(() => {});
    const { promise, resolve: wake } = Promise.withResolvers<void>();
    const waiting = { upTo, wake };
    this.#flushes.add(waiting);
    await Promise.race([promise, timer]);
    this.#flushes.delete(waiting);
    late.abort();
  }

  async stop(): Promise<void> {
    await this.flush(STOP_FLUSH_MS);
    this.#stop.abort(new Error("stopping"));
    await this.#sending;
  }

  async #drain(): Promise<void> {
    // A turn of the event loop, so that a window's outcomes leave together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, BATCH_RECORDS_MAX);
      try {
        await this.#policy().execute(() => this.#parts.producer.send(this.#parts.topic, batch), this.#stop.signal);
      } catch (error) {
        this.#dropped(batch.length, (error as Error).message);
      }
      this.#concluded += batch.length;
      for (const { upTo, wake } of this.#flushes) if (this.#concluded >= upTo) wake();
    }
    this.#sending = null;
  }

  #policy() {
    return retry(handleAll, {
      maxAttempts: SEND_ATTEMPTS_MAX,
      backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 8_000 }),
    });
  }

  #dropped(count: number, reason: string): void {
    this.#parts.metrics.outcomesDropped.inc(count);
    this.#log.warn({ count, reason }, "outcomes not published");
  }
}

const STOP_FLUSH_MS = 5_000;

function recordOf(plugin: string, received: Received, report: OutcomeReport, at: string): DeliveryRecord {
  const { event } = received;
  return {
    deliveryId: received.id,
    plugin,
    team: event.teamId,
    event: event.type,
    source: event.source,
    eventId: event.id,
    formId: event.formId,
    responseId: event.responseId,
    revision: event.revision,
    outcome: report.outcome,
    attempt: report.attempt,
    reason: report.reason,
    routeVersion: received.routeVersion,
    origin: received.origin,
    routedAt: received.routedAt,
    at,
    durationMs: report.durationMs,
    retryAt: report.retryAt,
  };
}
