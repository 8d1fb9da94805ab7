import type { Consumer } from "@platformatic/kafka";
import {
  type Clock,
  type Component,
  type KafkaSettings,
  type Logger,
  SparseLog,
  withDeadline,
} from "@plugboard/runtime";
import { type ParkedNames, readParkedRecord } from "../domain/parked-record.ts";
import type { Membership, RouterMetrics } from "../domain/ports.ts";
import type { Held, ReturnCursors } from "../domain/return-cursors.ts";
import { AwayTargets } from "./away-targets.ts";
import { ExpiredCopies } from "./expired-copies.ts";
import { GroupMembership } from "./group-membership.ts";
import type { ReturnWriter } from "./return-writer.ts";
import { ReturningPartition } from "./returning-partition.ts";
import { StretchReturn } from "./stretch-return.ts";
import { TopicReader } from "./topic-reader.ts";
import { TopicWatch } from "./topic-watch.ts";

/** So that returning a backlog takes a tenth of a core, and routing goes on beside it: bytes as they are in memory. */
const BYTES_PER_SECOND_MAX = 4 * 1024 * 1024;
/** Between looks for something to do; where the topic ends is asked for by the watch. */
const IDLE_MS = 500;
/** How long a step under way may be finished before its partition is let go; below the session time-out (10 s). */
const DRAIN_MS_MAX = 4_000;
/** Of stopping in all: the pipeline drains after it, within the same deadline of the process. */
const STOP_MS_MAX = 6_000;

export interface ParkedReturnOptions {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly instanceId: string | undefined;
  readonly names: ParkedNames;
  /** Made for the group's member, whose offsets it may move. */
  readonly createWriter: (group: Consumer, isNarrow: (topic: string) => boolean) => ReturnWriter;
  /** Resolves when the parking topic is there. */
  readonly ready: Promise<void>;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The partitions of one membership. */
interface Run {
  readonly partitions: readonly ReturningPartition[];
  /** Aborts when nothing more is to be begun. */
  readonly stopping: AbortController;
  done: Promise<void>;
}

/** What is known of copies that are held, for metrics. */
export interface HeldCopies {
  readonly topic: string;
  readonly copies: number;
  readonly oldestSinceMs: number;
}

/**
 * Brings parked copies back to their own topics, in their order, as soon as those take them. All routers share the parking
 * topic's partitions in a group of their own. One step at a time, over the partitions in turn:
 *
 *   cursors ─► read a stretch ─► which copies are owed, and may go ─► write ─► commit the cursors
 *                                       └─ its topic is away: held from here on, the others go on
 *
 * A step's stretch is all of the parking topic that is in memory. A copy that is refused stays where it is: nothing is
 * parked twice. What fails is repeated from the cursors, or, when nobody knows whether they were committed, from those that are.
 * Nothing of routing waits for any of this.
 */
export class ParkedReturn implements Component {
  readonly name = "parked-return";
  readonly #options: ParkedReturnOptions;
  readonly #membership: GroupMembership;
  readonly #watch: TopicWatch;
  readonly #reader: TopicReader;
  readonly #writer: ReturnWriter;
  readonly #away: AwayTargets;
  readonly #stretches: StretchReturn;
  readonly #expired: ExpiredCopies;
  readonly #stopping = new AbortController();
  readonly #failures: SparseLog;
  #run: Run | undefined;
  /** Of the memberships before: the writer does one step at a time. */
  #done: Promise<void> = Promise.resolve();

  constructor(options: ParkedReturnOptions) {
    const { kafka, groupId, instanceId, names, logger, clock } = options;
    const topic = names.parkedTopic;
    this.#options = options;
    this.#failures = new SparseLog(logger, clock);
    this.#away = new AwayTargets(clock, logger);
    this.#membership = new GroupMembership({
      kafka,
      groupId,
      topic,
      instanceId,
      logger,
      onRevoke: () => this.#letGo(),
      onAssign: (partitions, membership) => this.#begin(partitions, membership),
    });
    this.#watch = new TopicWatch({
      kafka,
      topic,
      logger,
      clock,
      onEnds: (ends) => {
        for (const returning of this.#run?.partitions ?? [])
          returning.end = ends.get(returning.partition) ?? returning.end;
      },
    });
    this.#reader = new TopicReader({ kafka, groupId, topic });
    this.#writer = options.createWriter(this.#membership.consumer, (target) => this.#away.isNarrow(target));
    this.#stretches = new StretchReturn({ ...options, writer: this.#writer, away: this.#away, log: this.#failures });
    this.#expired = new ExpiredCopies({ ...options, reader: this.#reader });
  }

  /** Resolves at once: it begins when the parking topic is there, and joining goes on in the background. */
  async start(): Promise<void> {
    void this.#boot();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const work = async () => {
      await this.#letGo();
      await Promise.all([this.#membership.stop(), this.#watch.stop(), this.#reader.close(), this.#writer.stop()]);
    };
    await withDeadline(work(), STOP_MS_MAX, "returning parked copies did not stop");
  }

  /** Null while parked copies are returned, or this process has no part in it; else what is missing. */
  problem(): string | null {
    const { groupId } = this.#options;
    if (!this.#membership.joined) return `not a member of the group ${groupId} yet: parked copies are not returned`;
    return this.#run?.partitions.every(({ cursors }) => cursors !== undefined) === true
      ? null
      : "it is not known yet how far parked copies are returned";
  }

  /** Copies that their topics do not take, by topic; of the partitions that are this process's now. */
  held(): HeldCopies[] {
    const byTopic = new Map<string, HeldCopies>();
    for (const { cursors } of this.#run?.partitions ?? [])
      for (const [topic, held] of cursors?.held ?? []) byTopic.set(topic, joined(topic, held, byTopic.get(topic)));
    return [...byTopic.values()];
  }

  /** Records of this process's partitions that have not been looked at. */
  unread(): number {
    return (this.#run?.partitions ?? []).reduce((sum, { unread }) => sum + unread, 0);
  }

  /** How long the parking topic keeps a copy, milliseconds; Infinity when for ever, null while not known. */
  get retentionMs(): number | null {
    return this.#watch.retentionMs;
  }

  async #boot(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#options.ready;
      if (signal.aborted) return;
      await this.#writer.prepare(signal);
      if (signal.aborted) return;
      this.#watch.start();
      await this.#membership.start();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #begin(partitions: readonly number[], membership: Membership): void {
    const { parkedTopic: topic } = this.#options.names;
    const group = this.#membership.consumer;
    const run: Run = {
      partitions: partitions.map((partition) => {
        const first = () => this.#reader.first(partition);
        return new ReturningPartition({ partition, membership, topic, group, first });
      }),
      stopping: new AbortController(),
      done: Promise.resolve(),
    };
    this.#run = run;
    run.done = this.#done.then(() => this.#work(run));
    this.#done = run.done;
  }

  /** Finishes and commits the step under way, as far as time allows; then nothing of these partitions is touched any more. */
  async #letGo(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    run.stopping.abort();
    await withDeadline(run.done, DRAIN_MS_MAX, "a step was not finished").catch((error: unknown) => {
      this.#options.logger.warn(
        { error, group: this.#options.groupId },
        "returning parked copies was not finished before the partitions had to go: the last ones are returned again",
      );
    });
    for (const returning of run.partitions) returning.letGo();
    if (this.#run === run) this.#run = undefined;
  }

  async #work(run: Run): Promise<void> {
    const { signal } = run.stopping;
    while (!signal.aborted) {
      let worked = false;
      for (const returning of run.partitions) {
        if (signal.aborted) break;
        worked = (await this.#attempt(returning, signal)) || worked;
      }
      if (!worked) await this.#pause(IDLE_MS, signal);
    }
  }

  async #attempt(returning: ReturningPartition, signal: AbortSignal): Promise<boolean> {
    const { clock, names } = this.#options;
    const { partition } = returning;
    if (!returning.isDue(clock.monotonic())) return false;
    try {
      const worked = await this.#step(returning, signal);
      returning.succeeded();
      return worked;
    } catch (error) {
      returning.failed(clock.monotonic());
      if (!returning.isGone)
        this.#failures.warn(
          { error, topic: names.parkedTopic, partition },
          "returning parked copies failed: trying again",
        );
      return false;
    }
  }

  /** @returns false when there was nothing to do. */
  async #step(returning: ReturningPartition, signal: AbortSignal): Promise<boolean> {
    const { clock, names } = this.#options;
    const cursors = await returning.committed();
    const behind = await this.#expired.behindHeld(returning, cursors);
    if (behind !== null) {
      await returning.goOn(behind);
      return true;
    }
    await this.#lookAtHeld(cursors);
    const start = returning.nextStart(cursors, (target) => this.#away.may(target) > 0);
    // An end before the position is another log's: reading tells.
    if (returning.end < 0 || start === returning.end) return false;
    const began = clock.monotonic();
    const read = await this.#reader.read(returning.partition, start);
    if (read.kind !== "records") {
      await returning.goOn(await this.#expired.behindUnreadable(returning, cursors, start, read));
      return true;
    }
    returning.end = Math.max(returning.end, read.end);
    if (read.next === start) return false;
    const at = new Date(clock.now()).toISOString();
    const records = read.records.map((record) => readParkedRecord(record, names, at));
    const worked = await this.#stretches.return(returning, cursors, { start, end: read.next, records });
    const spent = clock.monotonic() - began;
    await this.#pause((read.bytes / BYTES_PER_SECOND_MAX) * 1_000 - spent, signal);
    return worked;
  }

  /** Held topics whose turn it is: nothing is read for those that are seen to be away still. */
  async #lookAtHeld({ held }: ReturnCursors): Promise<void> {
    for (const topic of held.keys()) {
      if (this.#away.may(topic) === 0) continue;
      const why = await this.#writer.whyUnwritable(topic);
      if (why !== null) this.#away.refused({ topic, why, tooLarge: false });
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await this.#options.clock.sleep(ms, signal).catch(() => {});
  }
}

function joined(topic: string, held: Held, before: HeldCopies | undefined): HeldCopies {
  return {
    topic,
    copies: held.copies + (before?.copies ?? 0),
    oldestSinceMs: Math.min(held.sinceMs, before?.oldestSinceMs ?? held.sinceMs),
  };
}
