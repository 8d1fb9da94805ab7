import type { Consumer } from "@platformatic/kafka";
import { withDeadline } from "@plugboard/runtime";
import { ExponentialBackoff, type IBackoff } from "cockatiel";
import type { Membership } from "../domain/ports.ts";
import { ReturnCursors } from "../domain/return-cursors.ts";
import { commitCursors, committedOffsets } from "./group-offsets.ts";
import type { CursorsToCommit } from "./return-writer.ts";

const RETRY_MS = 500;
const RETRY_MS_MAX = 15_000;
/** Of asking the group for what is committed. */
const LOAD_DEADLINE_MS = 10_000;
const FIRST_PAUSE = new ExponentialBackoff({ initialDelay: RETRY_MS, maxDelay: RETRY_MS_MAX });

export interface ReturningPartitionOptions {
  readonly partition: number;
  readonly membership: Membership;
  /** The parking topic. */
  readonly topic: string;
  /** The group's member, whose committed offsets the cursors are. */
  readonly group: Consumer;
  /** Asks for the partition's first offset. */
  readonly first: () => Promise<number>;
}

/**
 * How far one partition of the parking topic is returned, while it is this process's: its cursors here and in the group, whose
 * turn is next, and when it is tried again after something failed.
 *
 *   unknown ──loaded──► known ──copies acknowledged──► uncommitted ──committed──► known
 *      ▲                                                   │
 *      └──── nobody knows whether they were committed ─────┘
 */
export class ReturningPartition {
  /** Where it ends, as far as known; -1 when it is not. */
  end = -1;
  readonly #options: ReturningPartitionOptions;
  #cursors: ReturnCursors | undefined;
  #uncommitted = false;
  #heldNext = true;
  #backoff: IBackoff<unknown> | undefined;
  #dueAt = 0;
  #gone = false;

  constructor(options: ReturningPartitionOptions) {
    this.#options = options;
  }

  get partition(): number {
    return this.#options.partition;
  }

  /** Undefined until they are read from what is committed. */
  get cursors(): ReturnCursors | undefined {
    return this.#cursors;
  }

  /** Records that have not been looked at. */
  get unread(): number {
    return Math.max(0, this.end - (this.#cursors?.position ?? this.end));
  }

  /** It is another's from here on: nothing more of it is committed. */
  letGo(): void {
    this.#gone = true;
  }

  get isGone(): boolean {
    return this.#gone;
  }

  /** @throws once it is another's. */
  assertOurs(): void {
    if (this.#gone) throw new Error("the partition is not this process's any more");
  }

  /** @param now monotonic, as below. */
  isDue(now: number): boolean {
    return now >= this.#dueAt;
  }

  succeeded(): void {
    this.#backoff = undefined;
  }

  /** Puts the next try off, each time for longer. */
  failed(now: number): void {
    this.#backoff = this.#backoff?.next(undefined) ?? FIRST_PAUSE.next();
    this.#dueAt = now + this.#backoff.duration;
  }

  /** The cursors, of which nothing is left to be committed. @throws when the group's coordinator does not answer. */
  async committed(): Promise<ReturnCursors> {
    this.#cursors ??= await this.#load();
    if (this.#uncommitted) await this.#commit(this.#cursors);
    return this.#cursors;
  }

  /** Where held copies and those not looked at both wait, they take turns. */
  nextStart(cursors: ReturnCursors, mayBeTried: (target: string) => boolean): number {
    const held = cursors.start(mayBeTried);
    const both = held < cursors.position && cursors.position < this.end;
    this.#heldNext = !both || !this.#heldNext;
    return this.#heldNext ? held : cursors.position;
  }

  /** Everything before these cursors is acknowledged. */
  async goOn(cursors: ReturnCursors): Promise<void> {
    this.#cursors = cursors;
    this.#uncommitted = true;
    await this.#commit(cursors);
  }

  /** The same, and they were committed with the copies. */
  wentOn(cursors: ReturnCursors): void {
    this.#cursors = cursors;
  }

  /** Nobody knows whether what was to be committed is: they are read anew. */
  forgetCursors(): void {
    this.#cursors = undefined;
  }

  /** What is to be committed for it to stand at these cursors. */
  commitOf(cursors: ReturnCursors): CursorsToCommit {
    const { partition, membership } = this.#options;
    return { partition, membership, cursors: cursors.encode() };
  }

  async #commit(cursors: ReturnCursors): Promise<void> {
    this.assertOurs();
    await commitCursors(this.#options.group, this.#options.topic, this.commitOf(cursors));
    this.#uncommitted = false;
  }

  async #load(): Promise<ReturnCursors> {
    const { group, topic, partition, first } = this.#options;
    const asked = committedOffsets(group, topic, [partition]);
    const committed = await withDeadline(asked, LOAD_DEADLINE_MS, "the committed offsets are not known");
    const found = committed?.get(partition);
    if (found === undefined) throw new Error("a transaction is still about to move the committed offset");
    const { offset, metadata } = found;
    return offset < 0n ? new ReturnCursors(await first()) : ReturnCursors.decode(Number(offset), metadata);
  }
}
