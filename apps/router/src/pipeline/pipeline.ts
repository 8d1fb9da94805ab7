import { breakable, type Component, withDeadline } from "@plugboard/runtime";
import type { Sink, Source } from "../domain/ports.ts";
import type { BatchRouter } from "./route-batch.ts";
import { settle, type Told } from "./settle.ts";

/** How long work in hand may take to finish on stop, milliseconds; below the lifecycle's own deadline. */
const FINISH_MS_MAX = 15_000;

export interface PipelineParts extends Told {
  /** Brings up what routing needs and may be long in coming (topics, the table); rejects when aborted, or when nothing may be routed. */
  readonly prepare: (signal: AbortSignal) => Promise<void>;
  readonly source: Source;
  readonly router: BatchRouter;
  readonly sink: Sink;
}

/**
 * Takes batches from the source, routes them one after another and hands them to the sink in that order. Batches are
 * settled as their acknowledgements come in, in any order; how many are under way is bounded by the source's budget of
 * bytes in flight.
 */
export class Pipeline implements Component {
  readonly name = "pipeline";
  readonly broken: Promise<never>;
  readonly #parts: PipelineParts;
  readonly #underWay = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;
  #preparing = true;
  readonly #break: (error: unknown) => void;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    const { broken, fail } = breakable();
    this.broken = broken;
    this.#break = fail;
  }

  /** Resolves at once: what routing needs may take its time, and /readyz says what is missing. */
  async start(): Promise<void> {
    this.#loop = this.#boot().catch(this.#break);
  }

  /** Null while events are routed, else what is missing. */
  problem(): string | null {
    return this.#preparing ? "waiting for topics and the routing table" : this.#parts.source.problem();
  }

  /** Stops reading, lets what was read be written and settled, commits, leaves the group. */
  async stop(): Promise<void> {
    const { source, logger } = this.#parts;
    this.#stopping.abort();
    await source.pause();
    await withDeadline(this.#finished(), FINISH_MS_MAX, "work in hand was not finished").catch((error: unknown) => {
      logger.warn({ error }, "stopping with work in hand: it is done again by whoever has its partitions next");
    });
    await source.stop();
  }

  async #finished(): Promise<void> {
    await this.#loop;
    await Promise.all(this.#underWay);
  }

  async #boot(): Promise<void> {
    try {
      await this.#parts.prepare(this.#stopping.signal);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      throw error;
    }
    this.#preparing = false;
    await this.#parts.source.start();
    await this.#run();
  }

  async #run(): Promise<void> {
    const { source, router, sink, metrics } = this.#parts;
    for (;;) {
      await sink.room();
      const batch = await source.next();
      if (batch === null) return;
      metrics.recordsIn(batch.records.length);
      metrics.batchRouted(batch.records.length, batch.bytes);
      try {
        const routed = await router.route(batch);
        if (batch.revoked.aborted) continue;
        this.#track(settle(routed, this.#parts.sink, source, this.#parts), batch.revoked);
      } catch (error) {
        if (!batch.revoked.aborted) await this.#rewind(error);
      }
    }
  }

  #track(work: Promise<void>, revoked: AbortSignal): void {
    const guarded: Promise<void> = work
      .catch((error: unknown) => (revoked.aborted ? undefined : this.#rewind(error)))
      .finally(() => this.#underWay.delete(guarded));
    this.#underWay.add(guarded);
  }

  /** Once for all batches that failed together: it revokes the others. */
  async #rewind(cause: unknown): Promise<void> {
    this.#parts.metrics.rewound();
    this.#parts.logger.warn({ error: cause }, "routing a batch failed: reading again from the committed offsets");
    await this.#parts.source.rewind((cause as Error).message);
  }
}
