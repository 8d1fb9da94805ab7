import type { TeamUsage } from "./team-usage.ts";

/** A task that waits for its place. */
export interface WaitingTask {
  readonly team: string;
  /** The same for tasks that run one after the other; null for no order. */
  readonly chain: string | null;
}

/** Teams that are compared for one place: one further behind comes among them as those before it are served. */
const TEAMS_LOOKED_AT_MAX = 32;

/** What waits in one lane: teams in turns, tasks of one chain one after the other. */
export class LaneQueue<Task extends WaitingTask> {
  /** Teams with tasks that could begin; a Map keeps the order of turns. */
  readonly #ready = new Map<string, Task[]>();
  /** Per chain whose first task is ready, under way or kept back: what waits behind it. */
  readonly #chains = new Map<string, Task[]>();

  /** Whether no chain has a task here, waiting or under way. */
  get isEmpty(): boolean {
    return this.#chains.size === 0;
  }

  /** Whether a task of this chain is first, or was and has not ended. */
  holds(chain: string): boolean {
    return this.#chains.has(chain);
  }

  add(task: Task): void {
    const behind = task.chain === null ? undefined : this.#chains.get(task.chain);
    if (behind !== undefined) {
      behind.push(task);
      return;
    }
    if (task.chain !== null) this.#chains.set(task.chain, []);
    this.#waitingOf(task.team).push(task);
  }

  /**
   * The first task of the team that has used least, among the first that may; of those that have used the same, of the one
   * whose turn it is. The team then goes to the end of the line.
   */
  take(may: (team: string) => boolean, usage: Pick<TeamUsage, "of" | "least">): Task | undefined {
    let chosen: string | undefined;
    let least = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const team of this.#ready.keys()) {
      if (!may(team)) continue;
      const used = usage.of(team);
      if (used < least) {
        chosen = team;
        least = used;
      }
      looked += 1;
      if (least <= usage.least || looked >= TEAMS_LOOKED_AT_MAX) break;
    }
    const waiting = chosen === undefined ? undefined : this.#ready.get(chosen);
    if (chosen === undefined || waiting === undefined) return undefined;
    const task = waiting.shift();
    this.#ready.delete(chosen);
    if (waiting.length > 0) this.#ready.set(chosen, waiting);
    return task;
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
