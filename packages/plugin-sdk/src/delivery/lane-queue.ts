/** A task that waits for its place. */
export interface WaitingTask {
  readonly team: string;
  /** The same for tasks that run one after the other; null for no order. */
  readonly chain: string | null;
}

/** What waits in one lane: teams in turns, tasks of one chain one after the other. */
export class LaneQueue<Task extends WaitingTask> {
  /** Teams with tasks that could begin; a Map keeps the order of turns. */
  readonly #ready = new Map<string, Task[]>();
  /** Per chain whose first task is ready, under way or kept back: what waits behind it. */
  readonly #chains = new Map<string, Task[]>();

  add(task: Task): void {
    const behind = task.chain === null ? undefined : this.#chains.get(task.chain);
    if (behind !== undefined) {
      behind.push(task);
      return;
    }
    if (task.chain !== null) this.#chains.set(task.chain, []);
    this.#waitingOf(task.team).push(task);
  }

  /** The first task of the team whose turn it is, among those that may; the team then goes to the end of the line. */
  take(may: (team: string) => boolean): Task | undefined {
    for (const [team, waiting] of this.#ready) {
      if (!may(team)) continue;
      const task = waiting.shift();
      this.#ready.delete(team);
      if (waiting.length > 0) this.#ready.set(team, waiting);
      return task;
    }
    return undefined;
  }

  /** A task that was taken and could not begin is its team's next again. */
  giveBack(task: Task): void {
    this.#waitingOf(task.team).unshift(task);
  }

  /** The first task of a chain is gone: the one behind it is ready. */
  advance(chain: string | null): void {
    if (chain === null) return;
    const next = this.#chains.get(chain)?.shift();
    if (next === undefined) this.#chains.delete(chain);
    else this.#waitingOf(next.team).push(next);
  }

  /** Takes out a task that was not taken; answers whether it was here. */
  remove(task: Task): boolean {
    const behind = task.chain === null ? undefined : this.#chains.get(task.chain);
    if (behind !== undefined && removeFrom(behind, task)) return true;
    const waiting = this.#ready.get(task.team);
    if (waiting === undefined || !removeFrom(waiting, task)) return false;
    if (waiting.length === 0) this.#ready.delete(task.team);
    this.advance(task.chain);
    return true;
  }

  #waitingOf(team: string): Task[] {
    let waiting = this.#ready.get(team);
    if (waiting === undefined) {
      waiting = [];
      this.#ready.set(team, waiting);
    }
    return waiting;
  }
}

/** Answers whether it was there. */
export function removeFrom<T>(items: T[], item: T): boolean {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
  return index >= 0;
}
