import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import type { SdkMetrics } from "../metrics.ts";
import { WHOLE_PLUGIN } from "../store/breaker-store.ts";
import type { DeliveryStore } from "../store/delivery-store.ts";
import type { RetryBacklog, RetryStore } from "../store/retry-store.ts";
import type { TakenEntry, Verdict } from "../store/taken-entry.ts";
import type { CircuitBreakers } from "./circuit-breakers.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { type FairPool, LATE_MS } from "./fair-pool.ts";
import type { OutcomeReport } from "./outcome-publisher.ts";
import { type Received, receive } from "./received.ts";

export interface RetryLoopParts {
  readonly plugin: string;
  readonly flatSource: string;
  readonly instance: string;
  readonly retries: RetryStore;
  readonly deliveries: DeliveryStore;
  readonly deadLetters: Pick<DeadLetters, "write">;
  readonly pool: FairPool;
  readonly attempt: (received: Received, entry: TakenEntry, signal: AbortSignal) => Promise<void>;
  readonly report: (received: Received, report: OutcomeReport) => void;
  readonly metrics: SdkMetrics;
  readonly breakers: Pick<CircuitBreakers, "parks">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long an entry taken is this process's: the handler's deadline and a margin. */
  readonly leaseMs: number;
  /** No new attempt is begun after it aborts. */
  readonly draining: AbortSignal;
  /** Attempts under way are cut short when it aborts. */
  readonly stopping: AbortSignal;
}

const POLL_MS = 500;
/** Entries taken and not finished, per process, not counting those taken so long ago that they are late: their teams hang. */
const TAKEN_MAX = 64;
/** All entries taken and not finished: with records of 1 MiB each, 256 MiB. */
const TAKEN_WITH_LATE_MAX = 256;
/** Of them, of one team: one whose handlers all hang leaves room for others. */
const TAKEN_OF_TEAM_MAX = 16;
/** Delay before a dead letter that could not be written is tried again: for ever, for the entry keeps the record. */
const DEAD_LETTER_DELAY_MS = 5_000;
/**
 * How long an entry is held while its dead letter is written, which is renewed three times in it. The topic has one
 * partition, and one request at a time: a busy broker makes many dead letters wait for longer than a handler's lease.
 */
const DEAD_LETTER_LEASE_MS = 60_000;
/** Entries in the table, of all instances, beyond which no new record is taken from the topic: at 10 KB, 10 GB. */
export const RETRIES_MAX = 1_000_000;
const COUNT_EVERY_MS = 5_000;
/** Counting a large table takes a while: it has at most this part of the time. */
const COUNT_PART_MAX = 1 / 20;

/** Takes what is due from `retries` and attempts it again, beside the consumer and through the same pool. */
export class RetryLoop implements Component {
  readonly name = "retry-loop";
  /** Whether the table has its fill: the consumer waits. */
  full = false;
  /** Entries in the table when they were last counted, and those handed over since. */
  waiting = 0;
  readonly #parts: RetryLoopParts;
  readonly #log: SparseLog;
  readonly #active = new Map<Promise<void>, { readonly team: string; readonly since: number }>();
  /** Whose dead letters are being written. */
  readonly #burying = new Set<string>();
  #wake: () => void = () => {};
  #woken = false;
  #work: Promise<void> = Promise.resolve();
  #countedAt = Number.NEGATIVE_INFINITY;
  #countEveryMs = COUNT_EVERY_MS;
  #backlog: RetryBacklog | null = null;

  constructor(parts: RetryLoopParts) {
    this.#parts = parts;
    this.#log = new SparseLog(parts.logger, parts.clock);
  }

  /** Something may be due earlier than the next poll. */
  kick(): void {
    this.#woken = true;
    this.#wake();
  }

  async start(): Promise<void> {
    this.#parts.draining.addEventListener("abort", () => this.kick(), { once: true });
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    await this.#work;
    await Promise.all(this.#active.keys());
  }

  async #run(): Promise<void> {
    const { draining, retries, leaseMs, instance, clock } = this.#parts;
    while (!draining.aborted) {
      this.#woken = false;
      let taken = 0;
      try {
        await this.#count();
        const room = this.#room();
        const entries = room > 0 ? await retries.take(room, leaseMs, instance, this.#busyTeams()) : [];
        taken = entries.length;
        for (const entry of entries) this.#begin(entry);
      } catch (error) {
        this.#log.warn({ reason: (error as Error).message }, "the due-time table does not answer");
      }
      if (this.#parts.breakers.parks(WHOLE_PLUGIN)) await clock.sleep(POLL_MS, draining).catch(() => {});
      else if (taken === 0 && !this.#woken && !draining.aborted) await this.#pause();
    }
  }

  /** How many to take next. One, while the plugin's own breaker is not closed: what is taken is put off again. */
  #room(): number {
    if (this.#active.size >= TAKEN_WITH_LATE_MAX) return 0;
    if (this.#parts.breakers.parks(WHOLE_PLUGIN)) return 1;
    const late = this.#parts.clock.monotonic() - LATE_MS;
    const prompt = [...this.#active.values()].filter(({ since }) => since > late).length;
    return Math.min(TAKEN_MAX - prompt, TAKEN_OF_TEAM_MAX);
  }

  async #pause(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, POLL_MS);
    });
    clearTimeout(timer);
    this.#wake = () => {};
  }

  /** The table as it was last counted, its ages as of now; null before. */
  backlog(): RetryBacklog | null {
    if (this.#backlog === null) return null;
    const { rows, oldestAgeSeconds, oldestOverdueSeconds } = this.#backlog;
    const since = (this.#parts.clock.monotonic() - this.#countedAt) / 1_000;
    const older = (seconds: number) => (seconds === 0 ? 0 : seconds + since);
    return { rows, oldestAgeSeconds: older(oldestAgeSeconds), oldestOverdueSeconds: older(oldestOverdueSeconds) };
  }

  async #count(): Promise<void> {
    const { clock, retries } = this.#parts;
    const now = clock.monotonic();
    if (now - this.#countedAt < this.#countEveryMs) return;
    this.#countedAt = now;
    this.#backlog = await retries.backlog(RETRIES_MAX);
    this.#countEveryMs = Math.max(COUNT_EVERY_MS, (clock.monotonic() - now) / COUNT_PART_MAX);
    this.waiting = this.#backlog.rows;
    this.full = this.waiting >= RETRIES_MAX;
  }

  #begin(entry: TakenEntry): void {
    const work = this.handle(entry)
      .catch((error: Error) => this.#log.warn({ seq: entry.seq, reason: error.message }, "a due delivery was left"))
      .finally(() => {
        this.#active.delete(work);
        this.kick();
      });
    this.#active.set(work, { team: entry.team, since: this.#parts.clock.monotonic() });
  }

  #busyTeams(): string[] {
    const counts = new Map<string, number>();
    for (const { team } of this.#active.values()) counts.set(team, (counts.get(team) ?? 0) + 1);
    return [...counts].filter(([, count]) => count >= TAKEN_OF_TEAM_MAX).map(([team]) => team);
  }

  /** Attempts an entry that was taken, or writes its dead letter. */
  async handle(entry: TakenEntry): Promise<void> {
    const { plugin, flatSource, pool, clock, draining, stopping, retries, instance, leaseMs } = this.#parts;
    if (entry.verdict !== null) return await this.#buryHeld(entry, entry.verdict);
    const received = receive(entry.record, plugin, flatSource);
    if (received.kind === "malformed")
      throw new Error(`a stored delivery is malformed: ${received.problems.join("; ")}`);
    const leaseEnd = clock.monotonic() + leaseMs;
    await pool.run(received.event.teamId, received.orderKey, async () => {
      if (draining.aborted) return await retries.release([entry.seq], instance);
      // Its lease ran out while it waited for a place: it is due again, for any instance.
      if (clock.monotonic() >= leaseEnd) return;
      await this.#parts.attempt(received, entry, stopping);
    });
  }

  /** Buries an entry that nobody else takes meanwhile: or its dead letter would be written twice. */
  async #buryHeld(entry: TakenEntry, verdict: Verdict): Promise<void> {
    const { retries, instance, logger } = this.#parts;
    if (this.#burying.has(entry.seq) || !(await retries.hold(entry.seq, instance, DEAD_LETTER_LEASE_MS))) return;
    this.#burying.add(entry.seq);
    const renewal = setInterval(() => {
      retries.hold(entry.seq, instance, DEAD_LETTER_LEASE_MS).catch((error: Error) => {
        logger.debug({ seq: entry.seq, reason: error.message }, "a dead letter's entry was not held for longer");
      });
    }, DEAD_LETTER_LEASE_MS / 3);
    try {
      await this.#bury(entry, verdict);
    } finally {
      clearInterval(renewal);
      this.#burying.delete(entry.seq);
    }
  }

  /** Writes a dead letter, and only then settles the delivery. */
  async #bury(entry: TakenEntry, verdict: Verdict): Promise<void> {
    const { deadLetters, deliveries, retries, metrics, plugin, flatSource, report } = this.#parts;
    try {
      await deadLetters.write(entry.record, verdict, entry.history);
    } catch (error) {
      this.#log.warn({ reason: (error as Error).message }, "dead letter not written; its record is kept");
      return await retries.postpone(entry.seq, DEAD_LETTER_DELAY_MS);
    }
    metrics.deadLetters.inc({ reason: verdict.reason });
    if (verdict.outcome === null) return await deliveries.forget(entry.deliveryId);
    if ((await deliveries.settle(entry.deliveryId, verdict.outcome, verdict.detail)) !== verdict.outcome) return;
    const received = receive(entry.record, plugin, flatSource);
    if (received.kind === "malformed") return;
    const { outcome, attempts: attempt, detail: reason } = verdict;
    report(received, { outcome, attempt, reason, durationMs: null, retryAt: null });
  }
}
