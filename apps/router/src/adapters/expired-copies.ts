import type { Clock, Logger } from "@plugboard/runtime";
import type { ParkedNames } from "../domain/parked-record.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import { ReturnCursors } from "../domain/return-cursors.ts";
import type { ReturningPartition } from "./returning-partition.ts";
import type { TopicRead, TopicReader } from "./topic-reader.ts";

/** Between looks whether held copies are still there; nothing else is read of a partition whose topics are all away. */
const LOOK_MS = 10_000;

export interface ExpiredCopiesOptions {
  readonly reader: Pick<TopicReader, "first">;
  readonly names: ParkedNames;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * What the parking topic does not have any more: copies that its retention took before their own topics would have them, or
 * all of it when the topic was made anew. Says loudly what was lost, and where to go on.
 */
export class ExpiredCopies {
  readonly #options: ExpiredCopiesOptions;
  /** When to look where a partition begins (monotonic). */
  readonly #lookAt = new WeakMap<ReturningPartition, number>();

  constructor(options: ExpiredCopiesOptions) {
    this.#options = options;
  }

  /** @returns cursors behind held copies that are gone, or null while all are there, as far as was looked. */
  async behindHeld(returning: ReturningPartition, cursors: ReturnCursors): Promise<ReturnCursors | null> {
    const { clock, reader } = this.#options;
    if (cursors.held.size === 0 || clock.monotonic() < (this.#lookAt.get(returning) ?? 0)) return null;
    this.#lookAt.set(returning, clock.monotonic() + LOOK_MS);
    const first = await reader.first(returning.partition);
    return first <= cursors.encode().offset ? null : this.#without(returning, cursors, first);
  }

  /** @returns cursors to go on with where there was nothing to be read at `start`. */
  async behindUnreadable(
    returning: ReturningPartition,
    cursors: ReturnCursors,
    start: number,
    read: Exclude<TopicRead, { kind: "records" }>,
  ): Promise<ReturnCursors> {
    const first = read.kind === "out-of-range" ? read.first : await this.#options.reader.first(returning.partition);
    const isAnother = read.kind === "made-anew" || first <= start;
    return isAnother ? new ReturnCursors(first) : this.#without(returning, cursors, first);
  }

  /** What was parked before an offset is gone: the topic's retention was shorter than the trouble. */
  #without({ partition }: ReturningPartition, cursors: ReturnCursors, first: number): ReturnCursors {
    const { metrics, logger, names } = this.#options;
    const { next, lost } = cursors.from(first);
    // What had not been looked at may have been anybody's.
    const topics = cursors.position < first ? [...lost, names.parkedTopic] : lost;
    for (const topic of topics) metrics.parkedExpired(topic);
    logger.error({ partition, first, topics }, "parked copies were deleted before they could go back to their topics");
    return next;
  }
}
