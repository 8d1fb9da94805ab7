import type { RecordsBatch } from "@platformatic/kafka";

const PRODUCE_ERROR = { OUT_OF_ORDER_SEQUENCE_NUMBER: 45, INVALID_PRODUCER_EPOCH: 47 } as const;
const NONE = 0;
/** Batches of a producer that a broker recognises when they come again. */
const RECENT_MAX = 5;

interface ProducerState {
  epoch: number;
  lastSequence: number;
  recent: number[];
}

/** A batch as it lies in the log. */
interface Stored {
  readonly last: number;
  readonly bytes: Buffer;
}

/** A partition's records, and what its leader knows of who wrote them. */
export class PartitionLog {
  /** The offset after the last record. */
  end = 0;
  readonly #stored: Stored[] = [];
  readonly #producers = new Map<bigint, ProducerState>();

  /**
   * Appends a batch, unless it was appended before.
   * @param bytes of it, for those who will read it; nothing of it is kept without.
   * @returns the error code, and whether it is new.
   */
  append(batch: RecordsBatch, bytes?: Buffer): { readonly errorCode: number; readonly isNew: boolean } {
    const { producerId, producerEpoch: epoch, firstSequence: first } = batch;
    if (producerId >= 0n) {
      const known = this.#producers.get(producerId);
      const last = first + batch.records.length - 1;
      if (known !== undefined) {
        if (epoch < known.epoch) return { errorCode: PRODUCE_ERROR.INVALID_PRODUCER_EPOCH, isNew: false };
        if (epoch === known.epoch && known.recent.includes(first)) return { errorCode: NONE, isNew: false };
        const expected = epoch === known.epoch ? known.lastSequence + 1 : 0;
        if (first !== expected) return { errorCode: PRODUCE_ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, isNew: false };
      }
      const recent = known?.epoch === epoch ? known.recent : [];
      this.#producers.set(producerId, { epoch, lastSequence: last, recent: [...recent, first].slice(-RECENT_MAX) });
    }
    batch.firstOffset = BigInt(this.end);
    bytes?.writeBigInt64BE(batch.firstOffset, 0);
    this.end += batch.records.length;
    if (bytes !== undefined) this.#stored.push({ last: this.end - 1, bytes });
    return { errorCode: NONE, isNew: true };
  }

  /** From the batch with this offset on, at most so many. */
  from(offset: number, batchesMax: number): Buffer[] {
    let index = this.#stored.length;
    while (index > 0 && (this.#stored[index - 1] as Stored).last >= offset) index -= 1;
    return this.#stored.slice(index, index + batchesMax).map(({ bytes }) => bytes);
  }
}
