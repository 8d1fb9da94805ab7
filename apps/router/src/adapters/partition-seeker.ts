import { type Consumer, ListOffsetTimestamps } from "@platformatic/kafka";
import type { Clock, Logger } from "@plugboard/runtime";
import type { Assignment } from "../domain/assignment.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import { committedOffsets } from "./group-offsets.ts";

export interface PartitionSeekerOptions {
  readonly topic: string;
  /** The group's member: it knows the committed offsets. */
  readonly group: Consumer;
  /** Asks for first offsets. */
  readonly client: Consumer;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Partitions go on at earlier offsets than were read: what is in hand must be forgotten, and these be committed. */
  readonly onSetBack: (offsets: ReadonlyMap<number, number>) => void;
}

/** Where reading a partition begins, and where it goes on when what it was to read next is gone. */
export class PartitionSeeker {
  readonly #options: PartitionSeekerOptions;

  constructor(options: PartitionSeekerOptions) {
    this.#options = options;
  }

  /**
   * Sets each partition's position to its committed offset, or to its first record when none was committed. Those stay without
   * whose offset a transaction is still about to move.
   */
  async seekToCommitted(assignment: Assignment): Promise<void> {
    const { topic, group, logger } = this.#options;
    const asked = assignment.partitions.filter((partition) => !assignment.positions.has(partition));
    if (asked.length === 0 || assignment.readingStopped.aborted) return;
    try {
      const committed = await committedOffsets(group, topic, asked);
      const partitions = asked.filter((partition) => committed.has(partition));
      const without = partitions.filter((partition) => (committed.get(partition)?.offset ?? -1n) < 0n);
      const earliest = without.length === 0 ? [] : await this.#earliest(without);
      for (const partition of partitions) {
        const known = committed.get(partition)?.offset ?? -1n;
        const position = known >= 0n ? known : earliest[partition];
        if (position === undefined) throw new Error(`no first offset of ${topic}/${partition} in the answer`);
        assignment.positions.set(partition, Number(position));
        assignment.commit(partition, Number(position));
        assignment.heard(partition, undefined, this.#options.clock.now());
      }
    } catch (error) {
      // Its answers are kept by the wall clock, which may be set back: what was not found in them is asked for anew.
      this.#options.client.clearMetadata();
      logger.warn({ error, partitions: asked }, "the committed offsets cannot be read: trying again");
      throw error;
    }
  }

  /** The records at a position are gone (retention, or a topic made anew): goes on with the first there is, loudly. */
  async seekToEarliest(assignment: Assignment, partitions: readonly number[]): Promise<void> {
    const { topic, logger, metrics } = this.#options;
    const earliest = await this.#earliest([...partitions]);
    const back = new Map<number, number>();
    for (const partition of partitions) {
      const position = assignment.positions.get(partition) ?? 0;
      const first = Number(earliest[partition] ?? 0n);
      if (first === position) continue;
      metrics.offsetsLost();
      logger.error(
        { topic, partition, position, first },
        "the next record to route does not exist any more: records were deleted before they were routed, or the topic was made anew",
      );
      if (first < position) back.set(partition, first);
      else assignment.positions.set(partition, first);
    }
    if (back.size > 0 && !assignment.ended.aborted) this.#options.onSetBack(back);
  }

  /** Under the same name, but another topic: no offset of the old one means anything in it. */
  async madeAnew(assignment: Assignment, topicId: string): Promise<boolean> {
    assignment.topicId ??= topicId;
    if (assignment.topicId === topicId) return false;
    await this.seekToEarliest(assignment, [...assignment.positions.keys()]);
    assignment.topicId = topicId;
    return true;
  }

  async #earliest(partitions: number[]): Promise<bigint[]> {
    const { topic } = this.#options;
    const offsets = await this.#options.client.listOffsets({
      topics: [topic],
      partitions: { [topic]: partitions },
      timestamp: ListOffsetTimestamps.EARLIEST,
    });
    return offsets.get(topic) ?? [];
  }
}
