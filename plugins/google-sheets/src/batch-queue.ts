interface Waiting<Item, Result> {
  readonly item: Item;
  readonly weight: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchLimits {
  readonly itemsMax: number;
  /** Sum of the items' weights; a heavier single item makes a batch of its own. */
  readonly weightMax: number;
}

/**
 * Gathers what arrives for one key while a batch of it is under way, and makes the next batch of it: one batch at a
 * time for each key, in the order of arrival. What waits is bounded by the callers, who each wait for their own item.
 */
export class BatchQueue<Item, Result> {
  readonly #limits: BatchLimits;
  readonly #waiting = new Map<string, Waiting<Item, Result>[]>();

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /**
   * @param work handles a batch; of the items gathered, each caller's is the same. The first caller's is used.
   * @param signal aborted while the item still waits: it is taken out again, and the promise rejects.
   */
  submit(
    key: string,
    item: Item,
    weight: number,
    work: (items: readonly Item[]) => Promise<readonly Result[]>,
    signal: AbortSignal,
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      signal.throwIfAborted();
      const giveUp = () => this.#takeOut(key, waiting, signal);
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value) => {
          signal.removeEventListener("abort", giveUp);
          settle(value);
        };
      const waiting = { item, weight, resolve: settled(resolve), reject: settled(reject) };
      signal.addEventListener("abort", giveUp, { once: true });
      const queue = this.#waiting.get(key);
      if (queue !== undefined) {
        queue.push(waiting);
        return;
      }
      this.#waiting.set(key, [waiting]);
      void this.#drain(key, work);
    });
  }

  #takeOut(key: string, waiting: Waiting<Item, Result>, signal: AbortSignal): void {
    const queue = this.#waiting.get(key) ?? [];
    const index = queue.indexOf(waiting);
    if (index >= 0) queue.splice(index, 1);
    waiting.reject(signal.reason);
  }

  async #drain(key: string, work: (items: readonly Item[]) => Promise<readonly Result[]>): Promise<void> {
    for (let batch = this.#take(key); batch.length > 0; batch = this.#take(key)) {
      try {
        const results = await work(batch.map(({ item }) => item));
        batch.forEach(({ resolve, reject }, index) => {
          const result = results[index];
          if (result === undefined) reject(new Error("a batch gave no result for one of its items"));
          else resolve(result);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#waiting.delete(key);
  }

  #take(key: string): Waiting<Item, Result>[] {
    const queue = this.#waiting.get(key) ?? [];
    let weight = 0;
    let count = 0;
    for (const waiting of queue) {
      weight += waiting.weight;
      if (count > 0 && (count >= this.#limits.itemsMax || weight > this.#limits.weightMax)) break;
      count += 1;
    }
    return queue.splice(0, count);
  }
}
