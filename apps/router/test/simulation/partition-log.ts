import type { RecordsBatch } from "@platformatic/kafka";
import { TRANSACTIONAL } from "../../src/domain/batch-format.ts";
import { controlBatch } from "./control-batch.ts";
import { ERROR } from "./kafka-errors.ts";

/** Batches of a producer that a broker recognises when they come again. */
const RECENT_MAX = 5;

interface ProducerState {
  epoch: number;
  lastSequence: number;
  recent: number[];
}

/** A batch as it lies in the log. */
interface Stored {
  readonly first: number;
  readonly last: number;
  readonly bytes: Buffer;
}

/** A transaction that was aborted, where it begins and where its mark is. */
interface Aborted {
  readonly producerId: bigint;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** A partition's records, what its leader knows of who wrote them, and how far committed readers may read. */
export class PartitionLog {
  /** The offset after the last record. */
  end = 0;
  readonly #keeps: boolean;
  readonly #stored: Stored[] = [];
  readonly #producers = new Map<bigint, ProducerState>();
  /** First offsets of transactions that have not ended, by producer. */
  readonly #open = new Map<bigint, number>();
  readonly #aborted: Aborted[] = [];

  /** @param keeps whether anybody reads it: else no bytes are kept. */
  constructor(keeps: boolean) {
    this.#keeps = keeps;
  }

  /** Up to here, and without it, everything is decided: the last stable offset. */
  get stableEnd(): number {
    return Math.min(this.end, ...this.#open.values());
  }

  /** Appends a batch, unless it was appended before. @returns the error code, and whether it is new. */
  append(batch: RecordsBatch, bytes: Buffer): { readonly errorCode: number; readonly isNew: boolean } {
    const { producerId, producerEpoch: epoch, firstSequence: first, attributes } = batch;
    if (producerId >= 0n) {
      const known = this.#producers.get(producerId);
      const last = first + batch.records.length - 1;
      if (known !== undefined) {
        if (epoch < known.epoch) return { errorCode: ERROR.INVALID_PRODUCER_EPOCH, isNew: false };
        if (epoch === known.epoch && known.recent.includes(first)) return { errorCode: ERROR.NONE, isNew: false };
        const expected = epoch === known.epoch ? known.lastSequence + 1 : 0;
        if (first !== expected) return { errorCode: ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, isNew: false };
      }
      const recent = known?.epoch === epoch ? known.recent : [];
      this.#producers.set(producerId, { epoch, lastSequence: last, recent: [...recent, first].slice(-RECENT_MAX) });
    }
    if ((attributes & TRANSACTIONAL) !== 0 && !this.#open.has(producerId)) this.#open.set(producerId, this.end);
    batch.firstOffset = BigInt(this.end);
    bytes.writeBigInt64BE(batch.firstOffset, 0);
    this.#store(batch.records.length, bytes);
    return { errorCode: ERROR.NONE, isNew: true };
  }

  /** Writes the mark that ends a producer's transaction, and fences its earlier epochs. */
  endTransaction(producerId: bigint, epoch: number, committed: boolean): void {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset !== undefined && !committed) this.#aborted.push({ producerId, firstOffset, lastOffset: this.end });
    this.#open.delete(producerId);
    const known = this.#producers.get(producerId);
    if (known === undefined || known.epoch < epoch)
      this.#producers.set(producerId, { epoch, lastSequence: -1, recent: [] });
    this.#store(1, controlBatch(this.end, producerId, epoch, committed));
  }

  /** From the batch with this offset on what is decided, at most so many batches. */
  from(offset: number, batchesMax: number): Buffer[] {
    const { stableEnd } = this;
    let index = this.#stored.length;
    while (index > 0 && (this.#stored[index - 1] as Stored).last >= offset) index -= 1;
    const some = this.#stored.slice(index, index + batchesMax);
    return some.filter(({ first }) => first < stableEnd).map(({ bytes }) => bytes);
  }

  /** Transactions to be left out by who reads from an offset on. */
  abortedFrom(offset: number): readonly Aborted[] {
    return this.#aborted.filter(({ lastOffset }) => lastOffset >= offset);
  }

  #store(records: number, bytes: Buffer): void {
    const first = this.end;
    this.end += records;
    if (this.#keeps) this.#stored.push({ first, last: this.end - 1, bytes });
  }
}
