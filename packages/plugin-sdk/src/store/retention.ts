import type { Clock, Component, Logger } from "@plugboard/runtime";
import type { DeliveryStore } from "./delivery-store.ts";

/** How long a settled identity is remembered: a day longer than topics keep records, so no copy outlives it. */
const IDENTITY_AGE_MS_MAX = 8 * 86_400_000;
const BATCH_ROWS_MAX = 5_000;
const SWEEP_EVERY_MS = 60_000;

/** Deletes old identity records, in batches, so that the table stays bounded and no statement runs long. */
export class Retention implements Component {
  readonly name = "retention";
  readonly #store: Pick<DeliveryStore, "deleteOlderThan" | "deleteOldFences">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(store: Pick<DeliveryStore, "deleteOlderThan" | "deleteOldFences">, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.sweep(signal);
      } catch (error) {
        this.#logger.info({ reason: (error as Error).message }, "old identity records not deleted this time");
      }
      await this.#clock.sleep(SWEEP_EVERY_MS, signal).catch(() => {});
    }
  }

  /** Deletes until a batch is not full. */
  async sweep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if ((await this.#store.deleteOlderThan(IDENTITY_AGE_MS_MAX, BATCH_ROWS_MAX)) < BATCH_ROWS_MAX) break;
    }
    while (!signal.aborted) {
      if ((await this.#store.deleteOldFences(BATCH_ROWS_MAX)) < BATCH_ROWS_MAX) return;
    }
  }
}
