import type { CopyRecord, InputRecord } from "./history.ts";

/** A stretch of time in which events of a partition of `responses` were there and none was routed. */
export interface Pause {
  readonly partition: number;
  readonly from: number;
  readonly until: number;
}

/** An event's way, milliseconds since 1970. */
interface Way {
  readonly storedAt: number;
  readonly copiedAt: number;
}

/** When each event had its first copy among these, by origin. */
export function firstCopies(copies: readonly CopyRecord[]): ReadonlyMap<string, number> {
  const copiedAt = new Map<string, number>();
  for (const { origin, appendedAt } of copies)
    copiedAt.set(origin, Math.min(appendedAt, copiedAt.get(origin) ?? Number.POSITIVE_INFINITY));
  return copiedAt;
}

/**
 * All pauses of all partitions. Each begins with a copy, or with the first event that waits, and ends with the next copy; so a
 * partition that cannot be written to has none, and neither has one whose events are late and come all the same.
 */
export function pausesOf(
  inputs: readonly Pick<InputRecord, "origin" | "partition" | "appendedAt">[],
  copiedAt: ReadonlyMap<string, number>,
): Pause[] {
  const ways = new Map<number, Way[]>();
  for (const { origin, partition, appendedAt } of inputs) {
    const copied = copiedAt.get(origin);
    if (copied === undefined) continue;
    const way = { storedAt: appendedAt, copiedAt: copied };
    const known = ways.get(partition);
    if (known === undefined) ways.set(partition, [way]);
    else known.push(way);
  }
  return [...ways].flatMap(([partition, list]) => pausesOfOne(partition, list));
}

function pausesOfOne(partition: number, ways: readonly Way[]): Pause[] {
  const inTime = ways.toSorted((a, b) => a.copiedAt - b.copiedAt);
  const pauses: Pause[] = [];
  let oldestWaiting = Number.POSITIVE_INFINITY;
  for (let index = inTime.length - 1; index >= 0; index -= 1) {
    const { storedAt, copiedAt } = inTime[index] as Way;
    oldestWaiting = Math.min(oldestWaiting, storedAt);
    const from = Math.max(oldestWaiting, inTime[index - 1]?.copiedAt ?? 0);
    if (copiedAt > from) pauses.push({ partition, from, until: copiedAt });
  }
  return pauses.toReversed();
}

/** The so-manieth of a hundred, 0 when there are none. */
export function percentile(values: readonly number[], of100: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * of100) / 100) - 1)] ?? 0;
}
