/** A stretch of a partition that was handed out together. */
interface Stretch {
  readonly end: number;
  settled: boolean;
}

/**
 * Which offset of each partition may be committed: the end of the longest prefix of handed-out stretches that are all
 * settled. Stretches of a partition are begun in order and may be settled in any order.
 *
 *     begun     [0..10) [10..25) [25..31)
 *     settled      ✓                ✓        → commit 10, never 31
 *
 * One tracker lives as long as one assignment; after that, nothing of it is committed.
 */
export class OffsetTracker {
  readonly #open = new Map<number, Stretch[]>();
  readonly #committable = new Map<number, number>();
  #outstanding = 0;
  #idle: (() => void)[] = [];

  /** Stretches begun and not settled. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** @param end the offset after the stretch's last record. Must grow from call to call. */
  begin(partition: number, end: number): void {
    let stretches = this.#open.get(partition);
    if (stretches === undefined) {
      stretches = [];
      this.#open.set(partition, stretches);
    }
    const last = stretches.at(-1);
    if (last !== undefined && end <= last.end)
      throw new Error(`partition ${partition}: a stretch to ${end} was begun after one to ${last.end}`);
    stretches.push({ end, settled: false });
    this.#outstanding += 1;
  }

  /** @param end the one given to {@link begin}. */
  settle(partition: number, end: number): void {
    const stretches = this.#open.get(partition);
    const stretch = stretches?.find((item) => item.end === end);
    if (stretches === undefined || stretch === undefined || stretch.settled)
      throw new Error(`partition ${partition}: no open stretch ends at ${end}`);
    stretch.settled = true;
    this.#outstanding -= 1;
    let settledPrefix = 0;
    while (stretches[settledPrefix]?.settled) settledPrefix += 1;
    const reached = stretches[settledPrefix - 1];
    if (reached !== undefined) {
      this.#committable.set(partition, reached.end);
      stretches.splice(0, settledPrefix);
    }
    if (this.#outstanding === 0) for (const wake of this.#idle.splice(0)) wake();
  }

  /** Offsets that may be committed and were not taken yet; the caller commits them, or gives them back. */
  take(): ReadonlyMap<number, number> {
    const taken = new Map(this.#committable);
    this.#committable.clear();
    return taken;
  }

  /** Gives offsets back whose commit failed; what has been reached since stays. */
  giveBack(offsets: ReadonlyMap<number, number>): void {
    for (const [partition, offset] of offsets) {
      if ((this.#committable.get(partition) ?? -1) < offset) this.#committable.set(partition, offset);
    }
  }

  /** Resolves when nothing is outstanding. */
  whenIdle(): Promise<void> {
    if (this.#outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}
