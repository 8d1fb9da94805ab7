import { compressionsAlgorithmsByBitmask } from "@platformatic/kafka";
import { type Decompress, type LogBatch, logBatches } from "../domain/log-batch.ts";

/** What a fetch answered for one partition, as far as its records go. */
export interface FetchedPartition {
  readonly partitionIndex: number;
  readonly log: Buffer | null;
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[] | null;
}

/** What a fetch brought for one partition. */
export interface FetchedLog {
  /** Those whose records are for committed readers. */
  readonly batches: readonly LogBatch[];
  /** Where to read on: behind control records and gaps too. */
  readonly next: number;
}

/**
 * A partition's batches as committed readers see them: control records and aborted transactions are left out, by the
 * broker's list of them, as Java's consumer does.
 *
 * @param from the offset asked for: a batch may begin before it.
 */
export function readPartition({ log, abortedTransactions }: FetchedPartition, from: number): FetchedLog {
  const batches: LogBatch[] = [];
  let next = from;
  const leftOut = hiddenFromCommittedReaders(abortedTransactions ?? []);
  for (const batch of log === null ? [] : logBatches(log, decompress)) {
    if (!leftOut(batch) && batch.lastOffset >= from) batches.push(batch);
    next = Math.max(next, batch.lastOffset + 1);
  }
  return { batches, next };
}

/** Tells, batch by batch in order, whether to leave it out. */
function hiddenFromCommittedReaders(
  list: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[],
): (batch: LogBatch) => boolean {
  if (list.length === 0) return ({ isControl }) => isControl;
  const upcoming = list.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  const producers = new Set<bigint>();
  return (batch) => {
    while (upcoming[0] !== undefined && Number(upcoming[0].firstOffset) <= batch.lastOffset) {
      producers.add(upcoming[0].producerId);
      upcoming.shift();
    }
    if (batch.isControl) {
      if (batch.isAbortMarker) producers.delete(batch.producerId);
      return true;
    }
    return batch.isTransactional && producers.has(batch.producerId);
  };
}

const decompress: Decompress = (codec, records) => {
  const algorithm = compressionsAlgorithmsByBitmask[codec as keyof typeof compressionsAlgorithmsByBitmask];
  if (algorithm === undefined) throw new Error(`a batch is compressed by a codec that is not known: ${codec}`);
  return algorithm.decompressSync(records);
};
