import type { Consumer } from "@platformatic/kafka";
import {
  type Clock,
  type Component,
  type KafkaSettings,
  type Logger,
  SparseLog,
  withDeadline,
} from "@plugboard/runtime";
import { ExponentialBackoff, type IBackoff } from "cockatiel";
import { NO_PARKED_TARGET, type ParkedCopy, type ParkedNames, readParkedRecord } from "../domain/parked-record.ts";
import type { Membership, RouterMetrics } from "../domain/ports.ts";
import { type Held, ReturnCursors, type Stretch } from "../domain/return-cursors.ts";
import { AwayTargets } from "./away-targets.ts";
import { GroupMembership } from "./group-membership.ts";
import { commitCursors, committedOffsets } from "./group-offsets.ts";
import type { CursorsToCommit, Refusal, ReturnWriter } from "./return-writer.ts";
import { TopicReader } from "./topic-reader.ts";
import { TopicWatch } from "./topic-watch.ts";

/** So that returning a backlog takes a tenth of a core, and routing goes on beside it: bytes as they are in memory. */
const BYTES_PER_SECOND_MAX = 4 * 1024 * 1024;
/** Between looks for something to do; where the topic ends is asked for by the watch. */
const IDLE_MS = 500;
const RETRY_MS = 500;
const RETRY_MS_MAX = 15_000;
/** How long a step under way may be finished before its partition is let go; below the session time-out (10 s). */
const DRAIN_MS_MAX = 4_000;
/** Of asking the group for what is committed. */
const LOAD_DEADLINE_MS = 10_000;
/** Between looks whether held copies are still there; nothing else is read of a partition whose topics are all away. */
const FIRST_LOOK_MS = 10_000;
/** Of stopping in all: the pipeline drains after it, within the same deadline of the process. */
const STOP_MS_MAX = 6_000;

const NOT_OURS = "the partition is not this process's any more";

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

/** One partition of the parking topic, while it is this process's. */
interface Returning {
  readonly partition: number;
  readonly membership: Membership;
  /** Undefined when they have to be read from what is committed. */
  cursors: ReturnCursors | undefined;
  /** Of what is acknowledged and not committed yet. */
  uncommitted: boolean;
  /** Where it ends, as far as known; -1 when it is not. */
  end: number;
  /** Whose turn it is: held copies', or that of those not looked at. */
  heldNext: boolean;
  backoff: IBackoff<unknown> | undefined;
  /** Not before (monotonic). */
  dueAt: number;
  /** When to look where the partition begins (monotonic). */
  firstLookAt: number;
}

/** The partitions of one membership. */
interface Run {
  readonly partitions: readonly Returning[];
  /** Aborts when nothing more is to be begun. */
  readonly stopping: AbortController;
  /** Nothing is committed any more. */
  over: boolean;
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
  readonly #stopping = new AbortController();
  readonly #failures: SparseLog;
  readonly #backoff = new ExponentialBackoff({ initialDelay: RETRY_MS, maxDelay: RETRY_MS_MAX });
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
    return (this.#run?.partitions ?? []).reduce((sum, { cursors, end }) => {
      return sum + Math.max(0, end - (cursors?.position ?? end));
    }, 0);
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
    const run: Run = {
      partitions: partitions.map((partition) => ({
        partition,
        membership,
        cursors: undefined,
        uncommitted: false,
        end: -1,
        heldNext: true,
        backoff: undefined,
        dueAt: 0,
        firstLookAt: 0,
      })),
      stopping: new AbortController(),
      over: false,
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
    run.over = true;
    if (this.#run === run) this.#run = undefined;
  }

  async #work(run: Run): Promise<void> {
    const { signal } = run.stopping;
    while (!signal.aborted) {
      let worked = false;
      for (const returning of run.partitions) {
        if (signal.aborted) break;
        worked = (await this.#attempt(run, returning)) || worked;
      }
      if (!worked) await this.#pause(IDLE_MS, signal);
    }
  }

  async #attempt(run: Run, returning: Returning): Promise<boolean> {
    const { clock, names } = this.#options;
    const { partition } = returning;
    if (clock.monotonic() < returning.dueAt) return false;
    try {
      const worked = await this.#step(run, returning);
      returning.backoff = undefined;
      return worked;
    } catch (error) {
      returning.backoff = returning.backoff?.next(undefined) ?? this.#backoff.next();
      returning.dueAt = clock.monotonic() + returning.backoff.duration;
      if (!run.over)
        this.#failures.warn(
          { error, topic: names.parkedTopic, partition },
          "returning parked copies failed: trying again",
        );
      return false;
    }
  }

  /** @returns false when there was nothing to do. */
  async #step(run: Run, returning: Returning): Promise<boolean> {
    const { clock } = this.#options;
    const cursors = returning.cursors ?? (await this.#load(returning));
    if (returning.uncommitted) await this.#commit(run, returning, cursors);
    if (await this.#areSomeGone(run, returning, cursors)) return true;
    await this.#lookAtHeld(cursors);
    const start = this.#nextStart(returning, cursors);
    // An end before the position is another log's: reading tells.
    if (returning.end < 0 || start === returning.end) return false;
    const began = clock.monotonic();
    const read = await this.#reader.read(returning.partition, start);
    if (read.kind !== "records") {
      const first = read.kind === "out-of-range" ? read.first : await this.#reader.first(returning.partition);
      const isAnother = read.kind === "made-anew" || first <= start;
      await this.#goOn(run, returning, isAnother ? new ReturnCursors(first) : this.#without(returning, cursors, first));
      return true;
    }
    returning.end = Math.max(returning.end, read.end);
    if (read.next === start) return false;
    const at = new Date(clock.now()).toISOString();
    const records = read.records.map((record) => readParkedRecord(record, this.#options.names, at));
    const worked = await this.#return(run, returning, cursors, { start, end: read.next, records });
    const spent = clock.monotonic() - began;
    await this.#pause((read.bytes / BYTES_PER_SECOND_MAX) * 1_000 - spent, run.stopping.signal);
    return worked;
  }

  /** Whether retention has taken copies that are held; then the cursors go on behind them. */
  async #areSomeGone(run: Run, returning: Returning, cursors: ReturnCursors): Promise<boolean> {
    const { clock } = this.#options;
    if (cursors.held.size === 0 || clock.monotonic() < returning.firstLookAt) return false;
    returning.firstLookAt = clock.monotonic() + FIRST_LOOK_MS;
    const first = await this.#reader.first(returning.partition);
    if (first <= cursors.encode().offset) return false;
    await this.#goOn(run, returning, this.#without(returning, cursors, first));
    return true;
  }

  /** Where held copies and those not looked at both wait, they take turns. */
  #nextStart(returning: Returning, cursors: ReturnCursors): number {
    const held = cursors.start((target) => this.#away.may(target) > 0);
    const both = held < cursors.position && cursors.position < returning.end;
    returning.heldNext = !both || !returning.heldNext;
    return returning.heldNext ? held : cursors.position;
  }

  /** Held topics whose turn it is: nothing is read for those that are seen to be away still. */
  async #lookAtHeld({ held }: ReturnCursors): Promise<void> {
    for (const topic of held.keys()) {
      if (this.#away.may(topic) === 0) continue;
      const why = await this.#writer.whyUnwritable(topic);
      if (why !== null) this.#away.refused({ topic, why, tooLarge: false });
    }
  }

  /** @returns false when nothing of it could be done. */
  async #return(
    run: Run,
    returning: Returning,
    cursors: ReturnCursors,
    stretch: Stretch<ParkedCopy>,
  ): Promise<boolean> {
    const allowed = new Map<string, number>();
    const refusedFrom = new Map<string, number>();
    const terms = {
      may: (target: string) => {
        const count = allowed.get(target) ?? this.#away.may(target);
        allowed.set(target, count);
        return count;
      },
      refusedFrom,
    };
    for (;;) {
      if (run.over) throw new Error(NOT_OURS);
      const { write, next } = cursors.through(stretch, terms);
      if (await this.#someUnwritable(write, refusedFrom)) continue;
      if (write.length === 0 && next.encode().metadata === cursors.encode().metadata) {
        if (stretch.start === cursors.position) this.#noRoom(returning);
        return false;
      }
      const refusals = write.length === 0 ? [] : await this.#write(returning, write, next);
      for (const refusal of refusals) this.#refused(refusal, refusedFrom);
      // Nothing was written then: again, without those that refused.
      if (this.#writer.commits && refusals.length > 0) continue;
      this.#returned(write, refusedFrom);
      const reached = refusals.length === 0 ? next : cursors.through(stretch, terms).next;
      for (const target of cursors.held.keys()) if (!reached.held.has(target)) this.#away.forget(target);
      if (this.#writer.commits && write.length > 0) returning.cursors = reached;
      else await this.#goOn(run, returning, reached);
      return true;
    }
  }

  /** Looks at the topics before anything is sent. */
  async #someUnwritable(write: readonly ParkedCopy[], refusedFrom: Map<string, number>): Promise<boolean> {
    const firsts = new Map<string, number>();
    for (const { target, offset } of write) if (!firsts.has(target)) firsts.set(target, offset);
    let found = false;
    for (const [topic, from] of firsts) {
      const why = await this.#writer.whyUnwritable(topic);
      if (why === null) continue;
      this.#refused({ topic, from, why, tooLarge: false }, refusedFrom);
      found = true;
    }
    return found;
  }

  async #write(returning: Returning, write: readonly ParkedCopy[], next: ReturnCursors): Promise<Refusal[]> {
    try {
      return await this.#writer.write(write, commitOf(returning, next));
    } catch (error) {
      // Nobody knows whether they were committed.
      if (this.#writer.commits) returning.cursors = undefined;
      throw error;
    }
  }

  #refused(refusal: Refusal, refusedFrom: Map<string, number>): void {
    this.#away.refused(refusal);
    refusedFrom.set(refusal.topic, Math.min(refusal.from, refusedFrom.get(refusal.topic) ?? refusal.from));
  }

  #returned(write: readonly ParkedCopy[], refusedFrom: ReadonlyMap<string, number>): void {
    const { metrics } = this.#options;
    const counts = new Map<string, number>();
    for (const { target, offset, malformed } of write) {
      if (offset >= (refusedFrom.get(target) ?? Number.POSITIVE_INFINITY)) continue;
      if (malformed) metrics.malformed(NO_PARKED_TARGET);
      else counts.set(target, (counts.get(target) ?? 0) + 1);
      if (!refusedFrom.has(target)) this.#away.written(target);
    }
    for (const [target, count] of counts) metrics.parkedReturned(target, count);
  }

  #noRoom({ partition, cursors }: Returning): void {
    const topics = cursors?.held.size;
    this.#failures.warn({ partition, topics }, "too many topics are away: parked copies behind theirs wait with them");
  }

  /** What was parked before an offset is gone: the topic's retention was shorter than the trouble. */
  #without({ partition }: Returning, cursors: ReturnCursors, first: number): ReturnCursors {
    const { metrics, logger, names } = this.#options;
    const { next, lost } = cursors.from(first);
    // What had not been looked at may have been anybody's.
    const topics = cursors.position < first ? [...lost, names.parkedTopic] : lost;
    for (const topic of topics) metrics.parkedExpired(topic);
    logger.error({ partition, first, topics }, "parked copies were deleted before they could go back to their topics");
    return next;
  }

  async #goOn(run: Run, returning: Returning, cursors: ReturnCursors): Promise<void> {
    returning.cursors = cursors;
    returning.uncommitted = true;
    await this.#commit(run, returning, cursors);
  }

  async #commit(run: Run, returning: Returning, cursors: ReturnCursors): Promise<void> {
    if (run.over) throw new Error(NOT_OURS);
    await commitCursors(this.#membership.consumer, this.#options.names.parkedTopic, commitOf(returning, cursors));
    returning.uncommitted = false;
  }

  async #load(returning: Returning): Promise<ReturnCursors> {
    const { parkedTopic } = this.#options.names;
    const { partition } = returning;
    const asked = committedOffsets(this.#membership.consumer, parkedTopic, [partition]);
    const committed = await withDeadline(asked, LOAD_DEADLINE_MS, "the committed offsets are not known");
    const { offset, metadata } = committed?.get(partition) ?? { offset: -1n, metadata: null };
    const cursors =
      offset < 0n
        ? new ReturnCursors(await this.#reader.first(partition))
        : ReturnCursors.decode(Number(offset), metadata);
    returning.cursors = cursors;
    return cursors;
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await this.#options.clock.sleep(ms, signal).catch(() => {});
  }
}

function commitOf({ partition, membership }: Returning, cursors: ReturnCursors): CursorsToCommit {
  return { partition, membership, cursors: cursors.encode() };
}

function joined(topic: string, held: Held, before: HeldCopies | undefined): HeldCopies {
  return {
    topic,
    copies: held.copies + (before?.copies ?? 0),
    oldestSinceMs: Math.min(held.sinceMs, before?.oldestSinceMs ?? held.sinceMs),
  };
}
