import type { OutgoingRecord } from "../domain/ports.ts";

/** Where a record goes: by its key as Java's clients do (murmur2), without a key by where it came from. */
export function partitionOf({ content, originPartition }: OutgoingRecord, partitions: number): number {
  return (content.keyLength < 0 ? originPartition : content.keyHash) % partitions;
}
