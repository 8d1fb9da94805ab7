/** How far behind a partition is. */
export interface PartitionStatus {
  readonly partition: number;
  /** Records not settled or stored, as far as known. */
  readonly lagRecords: number;
  /** Age of the oldest of them, milliseconds; 0 with none. */
  readonly oldestAgeMs: number;
}

interface Window {
  /** From its first record to the end of the partition when it was fetched. */
  readonly lagRecords: number;
  /** Time stamp of its first record. */
  readonly firstMs: number;
  /** When all of it was settled or stored. */
  doneAtMs: number | null;
  readonly records: number;
}

/**
 * How long after a window the next one comes, if there are more records: ten empty fetches. What is left then are no
 * records but a transaction's marks, which count as offsets and are never handed out.
 */
const NEXT_WINDOW_MS_MAX = 10_000;

/** What this instance's partitions still hold, by the last window of each; as many entries as it has partitions. */
export class PartitionAges {
  readonly #windows = new Map<number, Window | null>();

  /** The group has assigned exactly these. */
  assigned(partitions: readonly number[]): void {
    const known = new Map(this.#windows);
    this.#windows.clear();
    for (const partition of partitions) this.#windows.set(partition, known.get(partition) ?? null);
  }

  /** A window is worked on. @param behind records after its last one. */
  begun(partition: number, firstMs: number, records: number, behind: number): void {
    this.#windows.set(partition, { lagRecords: records + behind, firstMs, doneAtMs: null, records });
  }

  /** All of the window is settled or stored. */
  done(partition: number, nowMs: number): void {
    const window = this.#windows.get(partition);
    if (window !== null && window !== undefined) window.doneAtMs = nowMs;
  }

  status(nowMs: number): PartitionStatus[] {
    return [...this.#windows].map(([partition, window]) => {
      const { lagRecords, firstMs } = left(window, nowMs);
      return { partition, lagRecords, oldestAgeMs: lagRecords === 0 ? 0 : Math.max(0, nowMs - firstMs) };
    });
  }
}

/** What follows a window is about as old as what it began with, until the next one says it exactly. */
function left(window: Window | null, nowMs: number): { readonly lagRecords: number; readonly firstMs: number } {
  if (window === null) return { lagRecords: 0, firstMs: nowMs };
  const { lagRecords, records, firstMs, doneAtMs } = window;
  if (doneAtMs === null) return { lagRecords, firstMs };
  const over = nowMs - doneAtMs > NEXT_WINDOW_MS_MAX;
  return { lagRecords: over ? 0 : lagRecords - records, firstMs };
}
