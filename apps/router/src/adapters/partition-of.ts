import { compatibilityPartitioner } from "@platformatic/kafka";
import type { OutgoingRecord } from "../domain/ports.ts";

/** The copies of one record follow each other and have one key: its hash is worth keeping until the next. */
let lastKey: Buffer | null = null;
let lastHash = 0;

/** Where a record goes: by its key as Java's clients do (murmur2), without a key by where it came from. */
export function partitionOf(record: OutgoingRecord, partitions: number): number {
  const { key, originPartition } = record;
  if (key === null) return originPartition % partitions;
  if (key !== lastKey) {
    lastKey = key;
    lastHash = compatibilityPartitioner(UNUSED_MESSAGE, key);
  }
  return lastHash % partitions;
}
const UNUSED_MESSAGE = { topic: "", value: Buffer.alloc(0) };
