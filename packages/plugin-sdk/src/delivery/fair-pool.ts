interface Item {
  readonly team: string;
  readonly chain: string | null;
  readonly begin: () => Promise<void>;
}

/** A task given to the pool. */
export interface PoolTask<T> {
  readonly done: Promise<T>;
  /** Takes it back unless it has begun; answers whether it did. `done` then never settles. */
  readonly withdraw: () => boolean;
}

export interface FairPoolLimits {
  /** Tasks under way at once. */
  readonly inFlightMax: number;
  /** Of them, of one team. */
  readonly teamInFlightMax: number;
}

/**
 * Runs tasks with a bound on how many are under way, teams in turns, tasks of one key one after the other.
 *
 * Free places go round the teams that have something waiting, so a team with a thousand tasks delays another's only one
 * by one place per round; and a team whose tasks all hang holds `teamInFlightMax` places, never all. What waits is
 * bounded by the callers: the fetched window of each partition, and a page of due retries.
 */
export class FairPool {
  readonly #limits: FairPoolLimits;
  /** Teams with tasks that could begin; a Map keeps the order of turns. */
  readonly #ready = new Map<string, Item[]>();
  readonly #inFlightOf = new Map<string, number>();
  /** Per key under way, what waits for its turn. */
  readonly #chains = new Map<string, Item[]>();
  #inFlight = 0;

  constructor(limits: FairPoolLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether another task of any team could begin. */
  get hasRoom(): boolean {
    return this.#inFlight < this.#limits.inFlightMax;
  }

  /** Whether a team has as much under way as one team may. */
  hasItsShare(team: string): boolean {
    return (this.#inFlightOf.get(team) ?? 0) >= this.#limits.teamInFlightMax;
  }

  /**
   * @param orderKey tasks of the same team and key run in the order they were given; null for no order.
   */
  run<T>(team: string, orderKey: string | null, task: () => Promise<T>): Promise<T> {
    return this.submit(team, orderKey, task).done;
  }

  /** As {@link run}, for a caller that may want the task back while it waits. */
  submit<T>(team: string, orderKey: string | null, task: () => Promise<T>): PoolTask<T> {
    const { promise: done, resolve, reject } = Promise.withResolvers<T>();
    const begin = async () => {
      try {
        resolve(await task());
      } catch (error) {
        reject(error);
      }
    };
    const item: Item = { team, chain: orderKey === null ? null : JSON.stringify([team, orderKey]), begin };
    const queue = item.chain === null ? undefined : this.#chains.get(item.chain);
    if (queue !== undefined) queue.push(item);
    else {
      if (item.chain !== null) this.#chains.set(item.chain, []);
      this.#enqueue(item);
      this.#fill();
    }
    return { done, withdraw: () => this.#withdraw(item) };
  }

  #withdraw(item: Item): boolean {
    const behind = item.chain === null ? undefined : this.#chains.get(item.chain);
    if (behind !== undefined && removeFrom(behind, item)) return true;
    const waiting = this.#ready.get(item.team);
    if (waiting === undefined || !removeFrom(waiting, item)) return false;
    if (waiting.length === 0) this.#ready.delete(item.team);
    this.#nextOf(item.chain);
    this.#fill();
    return true;
  }

  #enqueue(item: Item): void {
    const waiting = this.#ready.get(item.team);
    if (waiting === undefined) this.#ready.set(item.team, [item]);
    else waiting.push(item);
  }

  #fill(): void {
    for (const [team, waiting] of this.#ready) {
      if (this.#inFlight >= this.#limits.inFlightMax) return;
      if ((this.#inFlightOf.get(team) ?? 0) >= this.#limits.teamInFlightMax) continue;
      const item = waiting.shift();
      // To the end of the line: setting it again in a Map that is being walked visits it once more in this round.
      this.#ready.delete(team);
      if (waiting.length > 0) this.#ready.set(team, waiting);
      if (item !== undefined) this.#begin(item);
    }
  }

  #begin(item: Item): void {
    this.#inFlight += 1;
    this.#inFlightOf.set(item.team, (this.#inFlightOf.get(item.team) ?? 0) + 1);
    void item.begin().finally(() => this.#ended(item));
  }

  #ended({ team, chain }: Item): void {
    this.#inFlight -= 1;
    const left = (this.#inFlightOf.get(team) ?? 1) - 1;
    if (left === 0) this.#inFlightOf.delete(team);
    else this.#inFlightOf.set(team, left);
    this.#nextOf(chain);
    this.#fill();
  }

  /** The head of a chain is gone: the one behind it may begin. */
  #nextOf(chain: string | null): void {
    if (chain === null) return;
    const next = this.#chains.get(chain)?.shift();
    if (next === undefined) this.#chains.delete(chain);
    else this.#enqueue(next);
  }
}

function removeFrom(items: Item[], item: Item): boolean {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
  return index >= 0;
}
