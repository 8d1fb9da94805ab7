import type { Clock, Component, Logger } from "@plugboard/runtime";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";
import type { RebuildResult, RoutingStore, RoutingTableWriter, TableState } from "../domain/ports.ts";
import { PeriodicLoop } from "./periodic-loop.ts";

/** How often Redis is compared with what was last relayed, milliseconds. */
const CHECK_MS = 500;

/**
 * Compares what Redis says of itself with what was last relayed, and rebuilds the table when they differ.
 *
 *   no epoch, another epoch      flushed, restarted empty, or never filled
 *   fewer changes than relayed   a fail-over lost the tail
 *   more, and nothing waiting    Postgres was restored from an older backup
 */
export class Reconciler implements Component {
  readonly name = "reconciler";
  readonly #store: RoutingStore;
  readonly #table: RoutingTableWriter;
  readonly #metrics: ManagerMetrics;
  readonly #logger: Logger;
  readonly #loop: PeriodicLoop;
  readonly #onRebuilt: () => void;
  #unfit: string | null = null;

  constructor(dependencies: {
    store: RoutingStore;
    table: RoutingTableWriter;
    /** Called after a rebuild: what was changed meanwhile waits in the outbox. */
    onRebuilt: () => void;
    clock: Clock;
    metrics: ManagerMetrics;
    logger: Logger;
  }) {
    this.#store = dependencies.store;
    this.#table = dependencies.table;
    this.#onRebuilt = dependencies.onRebuilt;
    this.#metrics = dependencies.metrics;
    this.#logger = dependencies.logger;
    this.#loop = new PeriodicLoop("reconciler", () => this.check(), {
      intervalMs: CHECK_MS,
      clock: dependencies.clock,
      logger: dependencies.logger,
    });
  }

  /** @throws when Redis answers and must not hold the table; a Redis that does not answer is waited for. */
  async start(): Promise<void> {
    this.#unfit = await this.#table.unfit().catch(() => null);
    if (this.#unfit !== null) throw new Error(this.#unfit);
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  wake(): void {
    this.#loop.wake();
  }

  /** Why Redis must not hold the table: one that was reconfigured, or exchanged, while this process runs. */
  get unfit(): string | null {
    return this.#unfit;
  }

  /** One comparison; rebuilds if needed. */
  async check(): Promise<void> {
    if ((await this.#difference(await this.#store.state(), await this.#store.hasPending())) === null) return;
    this.#unfit = await this.#table.unfit();
    if (this.#unfit !== null) throw new Error(this.#unfit);
    await this.rebuild({ force: false });
  }

  /** @param options.force rebuilds although nothing seems wrong: after a restore, or by hand. */
  async rebuild({ force }: { force: boolean }): Promise<RebuildResult> {
    const result = await this.#store.rebuild(
      async (state, pending) => {
        const reason = force ? "asked for" : await this.#difference(state, pending);
        if (reason !== null) this.#logger.warn({ reason }, "rebuilding the routing table");
        return reason !== null;
      },
      (epoch, pages) => this.#table.rebuild(epoch, pages),
    );
    this.#metrics.rebuilds.inc({ result: result.kind });
    if (result.kind === "rebuilt") {
      this.#logger.info({ epoch: result.epoch, entries: result.entries }, "routing table rebuilt");
      this.#onRebuilt();
    }
    return result;
  }

  async #difference(state: TableState | null, pending: boolean): Promise<string | null> {
    const found = await this.#table.found();
    if (state === null) return "never built";
    if (found.epoch === null) return "no epoch";
    if (found.epoch !== state.epoch) return "another epoch";
    if (found.seq < state.seq) return "changes lost";
    if (found.seq > state.seq && !pending) return "Redis is ahead";
    return null;
  }
}
