import { OffsetTracker } from "./offset-tracker.ts";
import type { Membership, SourceBatch, SourceRecord } from "./ports.ts";

/** A stretch of one partition that was fetched: its records are read when a batch is made of it, not while it waits. */
export interface Fetched {
  readonly partition: number;
  /** The offset behind it. */
  readonly end: number;
  /** Memory that it holds. */
  readonly bytes: number;
  /** Adds its records to those of the batch. */
  readonly read: (into: SourceRecord[]) => void;
}

/** How far behind a partition is. */
export interface PartitionStatus {
  readonly partition: number;
  /** Records that are not committed yet, as far as known. */
  readonly lagRecords: number;
  /** Age of the oldest of them, milliseconds. */
  readonly oldestAgeMs: number;
}

/** The first record that a fetch brought of a partition. */
interface First {
  readonly offset: number;
  readonly timestampMs: number;
}

/**
 * The partitions this process has from one join of the group (or one rewind) to the next, with everything that was read
 * of them. When it ends, all of it is forgotten and nothing of it is committed any more: whoever has the partitions next,
 * this process included, reads from the committed offsets. So what is dropped can never be committed past.
 *
 *   open ──stopReading()──► draining ──end()──► ended
 *     └────────────────end()────────────────────┘
 */
export class Assignment {
  readonly partitions: readonly number[];
  readonly membership: Membership;
  readonly tracker = new OffsetTracker();
  /** Where to fetch on, per partition; empty until the committed offsets are known. */
  readonly positions = new Map<number, number>();
  /** Committed, as far as this process knows. */
  readonly committed = new Map<number, number>();
  /** End of the log, as far as committed readers see, as of the last answer that named it. */
  readonly logEnds = new Map<number, number>();
  /** Of each fetch that is not committed yet, in order: at most as many as the budget of bytes lets be under way. */
  readonly #firsts = new Map<number, First[]>();
  /** When a broker last answered for a partition, milliseconds since 1970. */
  readonly #heardAtMs = new Map<number, number>();
  /** The topic's identity when it was first looked at: one that was deleted and made anew has another. */
  topicId: string | null = null;
  readonly #topic: string;
  readonly #ended = new AbortController();
  readonly #reading = new AbortController();
  #fetched: Fetched[] = [];
  /** Bytes fetched and not settled. */
  heldBytes = 0;

  constructor(topic: string, membership: Membership, partitions: readonly number[]) {
    this.#topic = topic;
    this.membership = membership;
    this.partitions = partitions;
  }

  /** Aborts when the partitions are let go. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Aborts when nothing more is to be fetched. */
  get readingStopped(): AbortSignal {
    return this.#reading.signal;
  }

  /** Every record before the offset is settled and committed. */
  commit(partition: number, offset: number): void {
    this.committed.set(partition, offset);
    const firsts = this.#firsts.get(partition);
    if (firsts === undefined) return;
    const kept = firsts.findIndex((first) => first.offset >= offset);
    firsts.splice(0, kept < 0 ? firsts.length : kept);
  }

  /**
   * A broker answered a fetch of this partition.
   * @param first what it brought, unless nothing.
   */
  heard(partition: number, first: First | undefined, nowMs: number): void {
    this.#heardAtMs.set(partition, nowMs);
    if (first === undefined) return;
    const firsts = this.#firsts.get(partition);
    if (firsts === undefined) this.#firsts.set(partition, [{ offset: first.offset, timestampMs: first.timestampMs }]);
    else firsts.push({ offset: first.offset, timestampMs: first.timestampMs });
  }

  /**
   * Of each partition whose committed offset is known. What a broker has not been asked for may be as old as its last
   * answer: an age is never told too small.
   */
  status(nowMs: number): PartitionStatus[] {
    return [...this.committed].map(([partition, committed]) => {
      const lagRecords = Math.max(0, (this.logEnds.get(partition) ?? committed) - committed);
      const oldest = this.#firsts.get(partition)?.[0]?.timestampMs ?? this.#heardAtMs.get(partition) ?? nowMs;
      return { partition, lagRecords, oldestAgeMs: Math.max(0, nowMs - oldest) };
    });
  }

  add(fetched: Fetched): void {
    this.heldBytes += fetched.bytes;
    this.#fetched.push(fetched);
  }

  /**
   * Joins what was fetched into one batch of about `bytesMax`, and begins to track it; null when there is nothing.
   * @param topicPartitions all of the topic's, as far as known.
   */
  takeBatch(bytesMax: number, topicPartitions: number | null = null): SourceBatch | null {
    let taken = 0;
    let bytes = 0;
    for (; taken < this.#fetched.length; taken += 1) {
      const next = this.#fetched[taken] as Fetched;
      if (taken > 0 && bytes + next.bytes > bytesMax) break;
      bytes += next.bytes;
    }
    if (taken === 0) return null;
    const records: SourceRecord[] = [];
    const ends = new Map<number, number>();
    for (const { partition, end, read } of this.#fetched.splice(0, taken)) {
      read(records);
      ends.set(partition, end);
    }
    for (const [partition, end] of ends) this.tracker.begin(partition, end);
    const share = this.#shareOf(topicPartitions);
    return { topic: this.#topic, membership: this.membership, records, bytes, share, ends, revoked: this.ended };
  }

  /** What was just added may not be known to the one who counted: never more than all. */
  #shareOf(topicPartitions: number | null): number {
    return topicPartitions === null ? 1 : Math.min(1, this.partitions.length / topicPartitions);
  }

  /** Nothing more is fetched, and what no batch was made of is dropped. @returns the bytes dropped. */
  stopReading(): number {
    this.#reading.abort();
    const bytes = this.#fetched.reduce((sum, item) => sum + item.bytes, 0);
    this.#fetched = [];
    this.heldBytes -= bytes;
    return bytes;
  }

  /** @returns the bytes still held, which are nobody's any more. */
  end(): number {
    this.#reading.abort();
    this.#ended.abort();
    const bytes = this.heldBytes;
    this.heldBytes = 0;
    this.#fetched = [];
    return bytes;
  }
}
