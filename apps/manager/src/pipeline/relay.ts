import type { Clock, Component, Logger } from "@plugboard/runtime";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";
import type { Publication, RelayPass, RoutingStore, RoutingTableWriter } from "../domain/ports.ts";
import type { RoutingKey } from "../domain/routing-entries.ts";
import { PeriodicLoop } from "./periodic-loop.ts";

/** Changes per pass: one script of well under a megabyte, run in about a millisecond. */
const PASS_CHANGES_MAX = 200;
/** Without any wake-up the outbox is looked at this often, milliseconds. */
const POLL_MS = 500;
/** How long a request waits for its change to reach Redis, milliseconds; then it answers "pending". */
const PUBLICATION_WAIT_MS_MAX = 1_000;

/**
 * Brings changes from the outbox to Redis. Every instance runs one; a lock in Postgres lets one pass write at a time.
 * Requests share passes: a pass that starts after a commit carries it, however many wait for it.
 *
 *   idle ──commit, NOTIFY or poll──► pass ──more──► pass … ──► idle
 *                                      ├── busy: another instance is at it; look again
 *                                      ├── lost: Redis is not what it was → reconciler, look again
 *                                      └── error (Redis or Postgres away): look again at the next poll
 */
export class Relay implements Component, Publication {
  readonly name = "relay";
  readonly #store: RoutingStore;
  readonly #table: RoutingTableWriter;
  readonly #onLost: () => void;
  readonly #clock: Clock;
  readonly #metrics: ManagerMetrics;
  readonly #loop: PeriodicLoop;
  #pass: Promise<RelayPass> | undefined;
  #nextPass: Promise<RelayPass> | undefined;

  constructor(dependencies: {
    store: RoutingStore;
    table: RoutingTableWriter;
    /** Called when Redis has to be rebuilt. */
    onLost: () => void;
    clock: Clock;
    metrics: ManagerMetrics;
    logger: Logger;
  }) {
    this.#store = dependencies.store;
    this.#table = dependencies.table;
    this.#onLost = dependencies.onLost;
    this.#clock = dependencies.clock;
    this.#metrics = dependencies.metrics;
    this.#loop = new PeriodicLoop("relay", (signal) => this.#drain(signal), {
      intervalMs: POLL_MS,
      clock: dependencies.clock,
      logger: dependencies.logger,
    });
  }

  async start(): Promise<void> {
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await Promise.allSettled([this.#pass, this.#nextPass]);
  }

  wake(): void {
    this.#loop.wake();
  }

  /** Tries at once to relay what is committed by now, and says whether the key's changes have left the outbox. */
  async published(key: RoutingKey): Promise<"current" | "pending"> {
    const deadline = this.#clock.monotonic() + PUBLICATION_WAIT_MS_MAX;
    while (this.#clock.monotonic() < deadline) {
      try {
        const pass = await this.#beforeDeadline(this.#passFromNow(), deadline);
        if (pass === undefined) break;
        if (pass.kind !== "lost" && pass.kind !== "busy" && !(await this.#store.hasPending(key))) return "current";
      } catch {
        break; // Redis or Postgres does not answer: the loop repeats it, the caller is told "pending".
      }
      await this.#clock.sleep(20);
    }
    this.#loop.wake();
    return "pending";
  }

  async #beforeDeadline<T>(work: Promise<T>, deadline: number): Promise<T | undefined> {
    const late = new AbortController();
    const wait = this.#clock.sleep(Math.max(1, deadline - this.#clock.monotonic()), late.signal);
    try {
      return await Promise.race([work, wait.then(() => undefined)]);
    } finally {
      wait.catch(() => {});
      work.catch(() => {});
      late.abort();
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pass = await this.#passFromNow();
      if (pass.kind !== "relayed" || !pass.more) return;
    }
  }

  /** A pass that begins after this call: joins the one that is waiting to begin, if any. */
  #passFromNow(): Promise<RelayPass> {
    if (this.#nextPass !== undefined) return this.#nextPass;
    const next: Promise<RelayPass> = Promise.allSettled([this.#pass]).then(() => {
      this.#pass = next;
      this.#nextPass = undefined;
      return this.#runPass();
    });
    this.#nextPass = next;
    next.catch(() => {});
    return next;
  }

  async #runPass(): Promise<RelayPass> {
    try {
      const pass = await this.#store.relay(PASS_CHANGES_MAX, (expected, changes) =>
        this.#table.publish(expected, changes),
      );
      if (pass.kind !== "idle") this.#metrics.relayPasses.inc({ result: pass.kind });
      if (pass.kind === "relayed") {
        this.#metrics.relayedChanges.inc({ result: "applied" }, pass.applied);
        this.#metrics.relayedChanges.inc({ result: "stale" }, pass.stale);
      }
      if (pass.kind === "lost") this.#onLost();
      return pass;
    } catch (error) {
      this.#metrics.relayPasses.inc({ result: "error" });
      throw error;
    }
  }
}
