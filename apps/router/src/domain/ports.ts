import type { Lane } from "@plugboard/contract";
import type { ResolvedTeam } from "@plugboard/routing-table";
import type { HeaderBytes } from "./header-text.ts";
import type { RecordContent } from "./record-content.ts";

/** A record as it was read from `responses`. */
export interface SourceRecord {
  readonly partition: number;
  readonly offset: number;
  /** The broker's or producer's time stamp, milliseconds since 1970. */
  readonly timestampMs: number;
  readonly content: RecordContent;
}

/** As what this process was a member of the group when it read: work of an older membership is fenced off. */
export interface Membership {
  readonly memberId: string;
  readonly generationId: number;
}

/** When events of a batch came about, one beside the other: milliseconds since 1970. */
export interface EventTimes {
  readonly count: number;
  /** By the event's own account; NaN where it gives none. */
  readonly eventMs: Float64Array;
  /** The record's time stamp in Kafka. */
  readonly recordMs: Float64Array;
}

/** Records read together, in order per partition, and the means to settle them. */
export interface SourceBatch {
  readonly topic: string;
  readonly membership: Membership;
  readonly records: readonly SourceRecord[];
  /** Memory they hold, for the in-flight budget. */
  readonly bytes: number;
  /** Aborts when the partitions are no longer this process's: what is not written yet must not be written. */
  readonly revoked: AbortSignal;
  /** This process's part of the topic's partitions, above 0 and up to 1; 1 while the topic's are not known. */
  readonly share: number;
  /** Per partition, the offset to go on from once everything in this batch is settled. */
  readonly ends: ReadonlyMap<number, number>;
}

/** Where events come from. The only one that moves offsets, and only up to what has been settled without a hole. */
export interface Source {
  start(): Promise<void>;
  /** Waits for the next batch; null once stopped and emptied. */
  next(): Promise<SourceBatch | null>;
  /** Everything the batch led to is acknowledged: its offsets may be committed as soon as those before it are. */
  settled(batch: SourceBatch): void;
  /**
   * A batch's outcome is unknown: forgets everything read and not committed, whose batches are revoked before this returns, and
   * reads again from the committed offsets.
   */
  rewind(reason: string): Promise<void>;
  /** Stops reading; batches handed out may still be settled. */
  pause(): Promise<void>;
  /** Commits what is settled and leaves the group, so that others take over at once. */
  stop(): Promise<void>;
  /** Null while partitions are assigned, or the group has none left over; else what is missing. */
  problem(): string | null;
}

/** A record to write. */
export interface OutgoingRecord {
  readonly topic: string;
  /** Key, value and the record's own headers. */
  readonly content: RecordContent;
  /** The headers that the router adds behind them, in pieces: joining them would cost more than writing each. */
  readonly added: readonly HeaderBytes[];
  /** Of all pieces, and the headers in them. */
  readonly addedBytes: number;
  readonly addedCount: number;
  /** Keeps records without a key in a stable order: their target partition is this modulo the partition count. */
  readonly originPartition: number;
  /** Key, value, headers and overhead. */
  readonly bytes: number;
}

/** A topic that refused copies, or is not there. */
export interface UnwritableTopic {
  readonly topic: string;
  readonly why: string;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  /** Its copies are parked; until then they wait, and others with them. */
  readonly parking: boolean;
}

/** Writes what batches lead to. */
export interface Sink {
  /**
   * Resolves when every record is acknowledged by all replicas in sync (or parked, where its topic cannot be written).
   * Records of one topic and partition are written in the order of the calls. Drops what is not yet sent when the batch
   * is revoked. An exactly-once sink moves the batch's offsets in the same transaction.
   * @throws SinkBroken when the outcome is unknown: read again from the committed offsets.
   */
  write(records: readonly OutgoingRecord[], batch: SourceBatch): Promise<void>;
  /**
   * Resolves when more records are wanted, or the sink stops. What was fetched waits as bytes; what was routed and waits is
   * many small objects, which the collector has to move (docs/performance.md).
   */
  room(): Promise<void>;
  /** Topics that cannot be written now. */
  unwritable(): readonly UnwritableTopic[];
  /** Once the brokers are there, before anything is read: ends what an earlier process of this instance left open. */
  prepare(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** What became of a write is unknown, or it was given up: nothing of it may be settled. */
export class SinkBroken extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SinkBroken";
  }
}

/** What the pipeline needs of the routing table. */
export interface Routes {
  resolve(teams: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ResolvedTeam | null>>;
}

/** Told of what was routed, for the spans of events that are traced. */
export interface BatchTraces {
  /** @param beganMs when its routing began; it is over now. */
  routed(batch: SourceBatch, outgoing: readonly OutgoingRecord[], beganMs: number): void;
}

/** What is counted and measured; see adapters/router-metrics.ts for names and meanings. */
export interface RouterMetrics {
  recordsIn(count: number): void;
  copiesOut(plugin: string, lane: Lane, topic: string, count: number): void;
  overQuota(plugin: string, count: number): void;
  unmatched(reason: string, count: number): void;
  malformed(reason: string): void;
  filterError(plugin: string): void;
  parked(topic: string, count: number): void;
  parkedReturned(topic: string, count: number): void;
  parkedExpired(topic: string): void;
  /** The copies of these events were acknowledged. @param nowMs milliseconds since 1970, as the times are. */
  routed(times: EventTimes, nowMs: number): void;
  batchRouted(records: number, bytes: number): void;
  produced(seconds: number, records: number, bytes: number): void;
  produceFailed(): void;
  inFlightBytes(bytes: number): void;
  rewound(): void;
  offsetsLost(): void;
}
