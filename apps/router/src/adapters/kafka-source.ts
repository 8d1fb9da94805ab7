import type { Clock, KafkaSettings, Logger } from "@plugboard/runtime";
import { Assignment, type PartitionStatus } from "../domain/assignment.ts";
import type { ByteBudget } from "../domain/byte-budget.ts";
import type { Membership, RouterMetrics, Source, SourceBatch } from "../domain/ports.ts";
import { GroupMembership } from "./group-membership.ts";
import { PartitionReader } from "./partition-reader.ts";
import { TopicWatch } from "./topic-watch.ts";

/** Memory of one batch, with what is made of its records: little enough to be routed before any of it is old to the collector. */
const BATCH_BYTES_MAX = 1024 * 1024;
/** How long work in hand may be finished before partitions are let go; below the session time-out (10 s). */
const DRAIN_MS_MAX = 5_000;
const COMMIT_RETRY_MS = 500;
/** Pause before reading again after a failed write: what failed is given time to recover. */
const REWIND_PAUSE_MS = 500;

export interface KafkaSourceOptions {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly topic: string;
  readonly instanceId: string | undefined;
  /** False when offsets are committed elsewhere (in the sink's transaction). */
  readonly commits: boolean;
  readonly budget: ByteBudget;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Reads `responses` in a consumer group. Offsets are this class's own business: it fetches from positions it keeps
 * itself (the client's stream would go on from memory, or from commits, depending on what happened to it), and every
 * assignment begins at the committed offsets.
 */
export class KafkaSource implements Source {
  readonly membership: GroupMembership;
  readonly #options: KafkaSourceOptions;
  readonly #reader: PartitionReader;
  /** The topic as the metrics and the share of a quota need it. */
  readonly watch: TopicWatch;
  readonly #assignmentOf = new WeakMap<SourceBatch, Assignment>();
  #assignment: Assignment | undefined;
  readonly #committing = new WeakMap<Assignment, Promise<void>>();
  /** Where partitions go back to, until that is committed. */
  readonly #toSetBack = new Map<number, number>();
  readonly #rewinding = new WeakMap<Assignment, Promise<void>>();
  #paused = false;
  #wake: () => void = () => {};

  constructor(options: KafkaSourceOptions) {
    this.#options = options;
    this.membership = new GroupMembership({
      kafka: options.kafka,
      groupId: options.groupId,
      topic: options.topic,
      instanceId: options.instanceId,
      logger: options.logger,
      onRevoke: () => this.#letGo(),
      onAssign: (partitions, membership) => this.#begin(partitions, membership),
    });
    this.watch = new TopicWatch({
      ...options,
      onEnds: (ends) => {
        for (const [partition, end] of ends)
          if (this.#assignment?.committed.has(partition)) this.#assignment.logEnds.set(partition, end);
      },
    });
    this.#reader = new PartitionReader({
      ...options,
      group: this.membership.consumer,
      onFetched: () => this.#wake(),
      onSetBack: (offsets) => {
        for (const [partition, offset] of offsets) this.#toSetBack.set(partition, offset);
        void this.rewind("the topic's records are others now");
      },
    });
  }

  async start(): Promise<void> {
    // Joining goes on in the background: /readyz says whether it is done.
    void this.membership.start();
    this.watch.start();
  }

  /** Of the partitions that are this process's now. */
  status(): readonly PartitionStatus[] {
    const assignment = this.#assignment;
    return assignment === undefined || assignment.ended.aborted ? [] : assignment.status(this.#options.clock.now());
  }

  async next(): Promise<SourceBatch | null> {
    for (;;) {
      const assignment = this.#assignment;
      const batch = assignment?.takeBatch(BATCH_BYTES_MAX, this.watch.partitions) ?? null;
      if (batch !== null && assignment !== undefined) {
        this.#assignmentOf.set(batch, assignment);
        return batch;
      }
      if (this.#paused) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  settled(batch: SourceBatch): void {
    const assignment = this.#assignmentOf.get(batch);
    if (assignment === undefined || assignment.ended.aborted) return;
    assignment.heldBytes -= batch.bytes;
    this.#options.budget.release(batch.bytes);
    for (const [partition, end] of batch.ends) assignment.tracker.settle(partition, end);
    void this.#commit(assignment);
  }

  /** Calls for the same assignment share one. Those of one before may still be under way: they do nothing for this one. */
  async rewind(reason: string): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    let work = this.#rewinding.get(assignment);
    if (work === undefined) {
      work = this.#rewindOnce(assignment, reason);
      this.#rewinding.set(assignment, work);
    }
    await work;
  }

  async #rewindOnce(assignment: Assignment, reason: string): Promise<void> {
    this.#end(assignment);
    if (this.#paused) return;
    await this.#options.clock.sleep(REWIND_PAUSE_MS);
    await this.#commitSetBack(assignment);
    // A join meanwhile has begun anew by itself.
    if (this.#assignment !== assignment) return;
    this.#options.logger.info(
      { partitions: assignment.partitions, reason },
      "reading again from the committed offsets",
    );
    this.#begin(assignment.partitions, assignment.membership);
  }

  /** Commits the offsets that partitions go back to, once nothing of what was read can be committed any more. */
  async #commitSetBack(assignment: Assignment): Promise<void> {
    // One that is under way would be taken for the later one.
    await this.#committing.get(assignment);
    while (this.#toSetBack.size > 0 && this.#assignment === assignment && !this.#paused) {
      const offsets = new Map(this.#toSetBack);
      try {
        await this.membership.consumer.commit({ offsets: this.#forCommit(offsets) });
        this.#toSetBack.clear();
      } catch (error) {
        this.#options.logger.warn({ error, offsets: Object.fromEntries(offsets) }, "setting back failed: trying again");
        await this.#options.clock.sleep(COMMIT_RETRY_MS);
      }
    }
    this.#toSetBack.clear();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    const assignment = this.#assignment;
    if (assignment !== undefined) this.#options.budget.release(assignment.stopReading());
    this.#wake();
  }

  async stop(): Promise<void> {
    await this.#letGo();
    await this.membership.stop();
    await Promise.all([this.#reader.close(), this.watch.stop()]);
  }

  problem(): string | null {
    if (!this.membership.joined) return `not a member of the group ${this.#options.groupId} yet`;
    const assignment = this.#assignment;
    if (assignment === undefined) return "partitions are being reassigned";
    return assignment.positions.size < assignment.partitions.length ? "the committed offsets are not known yet" : null;
  }

  #begin(partitions: readonly number[], membership: Membership): void {
    if (this.#assignment !== undefined) this.#end(this.#assignment);
    const assignment = new Assignment(this.#options.topic, membership, partitions);
    this.#assignment = assignment;
    void this.#reader.read(assignment);
    if (this.#paused) assignment.stopReading();
  }

  /** Finishes and commits what is in hand, as far as time allows; then nothing of these partitions is touched any more. */
  async #letGo(): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined || assignment.ended.aborted) return;
    this.#options.budget.release(assignment.stopReading());
    const drained = new AbortController();
    await Promise.race([
      assignment.tracker.whenIdle().then(() => this.#commit(assignment)),
      this.#options.clock.sleep(DRAIN_MS_MAX, drained.signal).catch(() => {}),
    ]);
    drained.abort();
    if (assignment.tracker.outstanding > 0)
      this.#options.logger.warn(
        { partitions: assignment.partitions, batches: assignment.tracker.outstanding },
        "work in hand was not finished before the partitions had to go: it is done again by whoever has them now",
      );
    this.#end(assignment);
    if (this.#assignment === assignment) this.#assignment = undefined;
  }

  #end(assignment: Assignment): void {
    this.#options.budget.release(assignment.end());
  }

  /** One commit at a time; what is settled meanwhile goes with the next one. */
  #commit(assignment: Assignment): Promise<void> {
    const underWay = this.#committing.get(assignment);
    if (underWay !== undefined) return underWay;
    const work = this.#commitAll(assignment);
    this.#committing.set(assignment, work);
    return work;
  }

  async #commitAll(assignment: Assignment): Promise<void> {
    await Promise.resolve();
    for (;;) {
      const offsets = assignment.tracker.take();
      if (assignment.ended.aborted || offsets.size === 0) {
        // In the same turn as the look: what is settled after it begins a commit of its own.
        this.#committing.delete(assignment);
        return;
      }
      try {
        if (this.#options.commits) await this.membership.consumer.commit({ offsets: this.#forCommit(offsets) });
        for (const [partition, offset] of offsets) assignment.commit(partition, offset);
      } catch (error) {
        assignment.tracker.giveBack(offsets);
        if (assignment.ended.aborted) continue;
        this.#options.logger.warn({ error, offsets: Object.fromEntries(offsets) }, "committing failed: trying again");
        await this.#options.clock.sleep(COMMIT_RETRY_MS);
      }
    }
  }

  #forCommit(offsets: ReadonlyMap<number, number>) {
    const { topic } = this.#options;
    return [...offsets].map(([partition, offset]) => ({ topic, partition, offset: BigInt(offset), leaderEpoch: -1 }));
  }
}
