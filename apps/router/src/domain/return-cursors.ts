/** As much of a parked copy as decides whether it is written now. */
export interface ParkedRecord {
  readonly offset: number;
  /** The topic it goes to. */
  readonly target: string;
  /** When it was parked, milliseconds since 1970. */
  readonly timestampMs: number;
}

/** What was read of a partition: its records from `start` up to, and without, `end`. */
export interface Stretch<T extends ParkedRecord> {
  readonly start: number;
  readonly end: number;
  readonly records: readonly T[];
}

/** What may be written now. The same answers throughout one stretch. */
export interface Terms {
  /** How many copies a topic may get: none, one to see whether it takes it, or all (Infinity). */
  readonly may: (target: string) => number;
  /** Topics that have refused, and from which offset on. */
  readonly refusedFrom: ReadonlyMap<string, number>;
}

/** Copies of one topic that are passed over until it takes them. */
export interface Held {
  /** The first of them. */
  readonly offset: number;
  readonly copies: number;
  /** When the first of them was parked, milliseconds since 1970; earlier when it is not known exactly. */
  readonly sinceMs: number;
}

/** As it is committed. */
export interface CommittedCursors {
  readonly offset: number;
  readonly metadata: string;
}

/** What brokers accept beside an offset unless told otherwise (`offset.metadata.max.bytes`). */
const METADATA_BYTES_MAX = 4_096;
/** Of one held topic beside its name, at most: offset, copies (11 digits to base 36 each), time (7), four separators. */
const ENTRY_BYTES = 33;
const HEAD_BYTES = 16;
const VERSION = "1";
const RADIX = 36;

/**
 * How far one partition of the parking topic is returned.
 *
 *     offset      0  1  2  3  4  5  6  7
 *     target      A  B  A  C  A  B  C  A        B is away
 *                    └ held B: 1 (2 copies)       └ position: 7
 *     returned    ✓     ✓  ✓  ✓     ✓
 *
 * Every copy before `position` is returned, but for those of held topics from their own cursor on. What is committed is the
 * lowest of all, with the position and the held cursors as its metadata: so a restart repeats nothing, and nothing is
 * committed past a copy that is still owed. A held topic is read again from its cursor when it may be written; once that has
 * reached the position, it is held no more. Immutable: what is not acknowledged leaves nothing behind.
 */
export class ReturnCursors {
  readonly position: number;
  readonly held: ReadonlyMap<string, Held>;

  constructor(position: number, held: ReadonlyMap<string, Held> = new Map()) {
    this.position = position;
    this.held = held;
  }

  /** Reads what was committed. Metadata that do not fit the offset (it was set by hand) count for nothing. */
  static decode(offset: number, metadata: string | null): ReturnCursors {
    const [version, position = "", ...entries] = (metadata ?? "").split(" ");
    const held = new Map<string, Held>();
    const numbers = [number(position)];
    for (const entry of entries) {
      const [target = "", from = "", copies = "", since = ""] = entry.split(":");
      const one = { offset: number(from), copies: number(copies), sinceMs: number(since) * 1_000 };
      held.set(target, one);
      numbers.push(one.offset, one.copies, one.sinceMs);
    }
    const cursors = new ReturnCursors(number(position), held);
    const fits = version === VERSION && numbers.every(Number.isSafeInteger) && cursors.encode().offset === offset;
    return fits ? cursors : new ReturnCursors(offset);
  }

  encode(): CommittedCursors {
    const entries = [...this.held].map(([target, { offset, copies, sinceMs }]) =>
      [target, text(offset), text(copies), text(Math.floor(sinceMs / 1_000))].join(":"),
    );
    return { offset: this.start(() => true), metadata: [VERSION, text(this.position), ...entries].join(" ") };
  }

  /** The lowest offset at which there is something to do: the position, or a held topic's cursor when it `mayBeTried`. */
  start(mayBeTried: (target: string) => boolean): number {
    let start = this.position;
    for (const [target, { offset }] of this.held) if (offset < start && mayBeTried(target)) start = offset;
    return start;
  }

  /**
   * What of a stretch to write, and where that leads once it is acknowledged. A stretch from before the position is for the
   * held topics whose cursors it reaches; one from the position on is for all the others.
   */
  through<T extends ParkedRecord>(stretch: Stretch<T>, terms: Terms): { write: T[]; next: ReturnCursors } {
    return stretch.start < this.position ? this.#again(stretch, terms) : this.#onward(stretch, terms);
  }

  /** Records before an offset are gone, and those between are others'. @returns topics of which copies were lost. */
  from(first: number): { next: ReturnCursors; lost: string[] } {
    const lost: string[] = [];
    const position = Math.max(this.position, first);
    const held = new Map<string, Held>();
    for (const [target, before] of this.held) {
      if (before.offset < first) lost.push(target);
      const offset = Math.max(before.offset, first);
      if (offset < position) held.set(target, { ...before, offset });
    }
    return { next: new ReturnCursors(position, held), lost };
  }

  #again<T extends ParkedRecord>({ start, end: read, records }: Stretch<T>, terms: Terms) {
    const end = Math.min(read, this.position);
    const write: T[] = [];
    const written = new Map<string, number>();
    const firstLeft = new Map<string, T>();
    for (const record of records) {
      const { offset, target } = record;
      if (offset >= end) break;
      const held = this.held.get(target);
      // One whose cursor the stretch begins behind has copies before it: their turn comes first.
      if (held === undefined || held.offset < start || offset < held.offset || firstLeft.has(target)) continue;
      const count = written.get(target) ?? 0;
      if (isAllowed(record, count, terms)) {
        write.push(record);
        written.set(target, count + 1);
      } else firstLeft.set(target, record);
    }
    const held = new Map<string, Held>();
    for (const [target, before] of this.held) {
      const copies = Math.max(0, before.copies - (written.get(target) ?? 0));
      const left = firstLeft.get(target);
      const reached = before.offset >= start && before.offset < end;
      if (left !== undefined) held.set(target, { offset: left.offset, copies, sinceMs: left.timestampMs });
      else if (!reached || terms.may(target) === 0) held.set(target, before);
      else if (end < this.position) held.set(target, { ...before, offset: end, copies });
    }
    return { write, next: new ReturnCursors(this.position, held) };
  }

  #onward<T extends ParkedRecord>({ end: read, records }: Stretch<T>, terms: Terms) {
    let end = read;
    const write: T[] = [];
    const written = new Map<string, number>();
    const held = new Map(this.held);
    let bytes = metadataBytes(held);
    for (const record of records) {
      const { offset, target, timestampMs } = record;
      const waiting = held.get(target);
      if (waiting !== undefined) {
        held.set(target, { ...waiting, copies: waiting.copies + 1 });
        continue;
      }
      const count = written.get(target) ?? 0;
      if (isAllowed(record, count, terms)) {
        write.push(record);
        written.set(target, count + 1);
        continue;
      }
      bytes += entryBytes(target);
      // No room to remember another one by: what comes from here on waits until one of them is back.
      if (bytes > METADATA_BYTES_MAX) {
        end = offset;
        break;
      }
      held.set(target, { offset, copies: 1, sinceMs: timestampMs });
    }
    return { write, next: new ReturnCursors(end, held) };
  }
}

function isAllowed({ target, offset }: ParkedRecord, written: number, { may, refusedFrom }: Terms): boolean {
  return written < may(target) && offset < (refusedFrom.get(target) ?? Number.POSITIVE_INFINITY);
}

/** At most, whatever the numbers. */
function metadataBytes(held: ReadonlyMap<string, Held>): number {
  let bytes = HEAD_BYTES;
  for (const target of held.keys()) bytes += entryBytes(target);
  return bytes;
}

/** Names of topics are ASCII. */
function entryBytes(target: string): number {
  return target.length + ENTRY_BYTES;
}

function text(value: number): string {
  return value.toString(RADIX);
}

function number(digits: string): number {
  return Number.parseInt(digits, RADIX);
}
