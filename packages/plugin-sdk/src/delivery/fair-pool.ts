import { LANES, type Lane } from "@plugboard/contract";
import { LaneQueue, removeFrom, type WaitingTask } from "./lane-queue.ts";
import { TeamUsage } from "./team-usage.ts";

interface Task extends WaitingTask {
  readonly lane: LaneState;
  readonly work: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** On the monotonic clock; null before it has begun. */
  begunAtMs: number | null;
  /** It has given its place back, and is still under way. */
  late: boolean;
}

interface LaneState {
  readonly queue: LaneQueue<Task>;
  readonly stride: number;
  readonly inFlightMax: number;
  inFlight: number;
  /** Whose is smallest, begins next. */
  turn: number;
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
  /** Of them, and of those that are late, of one team. */
  readonly teamInFlightMax: number;
  /** How long a task has its place: one that is under way for longer is late, and leaves it to others. */
  readonly lateMs: number;
  /** Tasks that are late at once. When there are more, they keep their places. */
  readonly lateMax: number;
}

/** Places a team may have, of all. */
const TEAM_PART_MAX = 1 / 2;
/** A handler call longer than this is late. */
export const LATE_MS = 3_000;
/**
 * Late tasks for each place: with those in time, at most four times as many under way as there are places. Six teams may hang at once
 * before their calls keep places, and each only until its breaker opens.
 */
const LATE_FOR_EACH_PLACE = 3;

/** Of a plugin that handles so many deliveries at once. */
export function poolLimits(concurrency: number): FairPoolLimits {
  return {
    inFlightMax: concurrency,
    teamInFlightMax: Math.ceil(concurrency * TEAM_PART_MAX),
    lateMs: LATE_MS,
    lateMax: concurrency * LATE_FOR_EACH_PLACE,
  };
}

/**
 * How many of each lane begin while all have something waiting: of thirteen eight are urgent, four live, and bulk goes on with
 * one. Urgent is rare by its nature, so it may take more than half without harm; bulk may wait, but not for ever. A lane
 * that has nothing leaves its turns to the others.
 */
const LANE_WEIGHTS: Readonly<Record<Lane, number>> = { priority: 8, live: 4, bulk: 1 };
/**
 * Turns say who begins, not how long it stays: bulk of several teams with slow handlers would soon have all places. It leaves
 * a quarter of them to what is urgent or live.
 */
const BULK_PART_MAX = 3 / 4;

/**
 * Runs tasks with a bound on how many are under way, lanes by weight, teams in turns within a lane, tasks of one key one
 * after the other.
 *
 * Free places go to the team that has used least of the pool's time lately, and in turns where that is the same, so a team with
 * a thousand tasks, or with slow ones, delays another's only one by one place per round; and a team whose tasks all hang holds `teamInFlightMax` places, never all, and not for longer than
 * `lateMs`: then they go on beside the places, so that several teams that hang do not hold them all. Order is kept within a
 * lane; of two lanes, tasks of one key are never under way at once. What waits is bounded by the callers: the fetched
 * window of each partition of each lane, and a page of due retries.
 */
export class FairPool {
  readonly #limits: FairPoolLimits;
  readonly #lanes: Readonly<Record<Lane, LaneState>>;
  /** The same, whose turn it is first. */
  readonly #byTurn: LaneState[];
  readonly #usage = new TeamUsage();
  readonly #now: () => number;
  readonly #inFlightOf = new Map<string, number>();
  /** Per chain under way, the first tasks of the same chain in other lanes, which wait for its end. */
  readonly #underWay = new Map<string, Task[]>();
  /** Those that have a place, the longest under way first. */
  readonly #inTime = new Set<Task>();
  #late = 0;
  #inFlight = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param now the monotonic clock, milliseconds: what tasks cost their teams is reckoned by it. */
  constructor(limits: FairPoolLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    const { inFlightMax } = limits;
    const lane = (of: Lane, most: number): LaneState => ({
      queue: new LaneQueue(),
      stride: 1 / LANE_WEIGHTS[of],
      inFlightMax: most,
      inFlight: 0,
      turn: 0,
    });
    this.#lanes = {
      priority: lane("priority", inFlightMax),
      live: lane("live", inFlightMax),
      bulk: lane("bulk", Math.max(1, Math.floor(inFlightMax * BULK_PART_MAX))),
    };
    this.#byTurn = LANES.map((of) => this.#lanes[of]);
  }

  /** Tasks that have a place. */
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

  /** Whether a team may have another task under way, as far as the team and the order of this key go. */
  mayBegin(team: string, orderKey: string | null): boolean {
    if (this.hasItsShare(team)) return false;
    if (orderKey === null || this.#byTurn.every(({ queue }) => queue.isEmpty)) return true;
    const chain = chainOf(team, orderKey);
    return !this.#byTurn.some(({ queue }) => queue.holds(chain));
  }

  /**
   * @param orderKey tasks of the same team, key and lane run in the order they were given; null for no order.
   */
  run<T>(team: string, orderKey: string | null, task: () => Promise<T>, lane: Lane = "live"): Promise<T> {
    return this.submit(team, orderKey, task, lane).done;
  }

  /** As {@link run}, for a caller that may want the task back while it waits. */
  submit<T>(team: string, orderKey: string | null, task: () => Promise<T>, lane: Lane = "live"): PoolTask<T> {
    const { promise: done, resolve, reject } = Promise.withResolvers<T>();
    const item: Task = {
      team,
      lane: this.#lanes[lane],
      chain: orderKey === null ? null : chainOf(team, orderKey),
      work: task,
      resolve: resolve as Task["resolve"],
      reject,
      begunAtMs: null,
      late: false,
    };
    item.lane.queue.add(item);
    this.#fill();
    return { done, withdraw: () => this.#withdraw(item) };
  }

  #withdraw(task: Task): boolean {
    const { queue } = task.lane;
    const keptBack = task.chain === null ? undefined : this.#underWay.get(task.chain);
    if (keptBack !== undefined && removeFrom(keptBack, task)) queue.advance(task.chain);
    else if (!queue.remove(task)) return false;
    this.#fill();
    return true;
  }

  #fill(): void {
    while (this.hasRoom) {
      const task = this.#next();
      if (task === undefined) return;
      this.#begin(task);
    }
  }

  /** Of the lane whose turn it is; those that have nothing to begin now do not save their turns up. */
  #next(): Task | undefined {
    this.#byTurn.sort((one, other) => one.turn - other.turn);
    for (const lane of this.#byTurn) {
      const task = lane.inFlight < lane.inFlightMax ? this.#firstOf(lane) : undefined;
      if (task === undefined) continue;
      for (const idle of this.#byTurn) {
        if (idle === lane) break;
        idle.turn = lane.turn;
      }
      lane.turn += lane.stride;
      return task;
    }
    return undefined;
  }

  readonly #may = (team: string) => !this.hasItsShare(team);

  /** What another lane's task of the same chain holds up is kept back with it, in its place. */
  #firstOf({ queue }: LaneState): Task | undefined {
    for (;;) {
      const task = queue.take(this.#may, this.#usage);
      const ahead = task === undefined || task.chain === null ? undefined : this.#underWay.get(task.chain);
      if (task === undefined || ahead === undefined) return task;
      ahead.push(task);
    }
  }

  #begin(task: Task): void {
    task.begunAtMs = this.#now();
    this.#usage.begun(task.team);
    this.#inTime.add(task);
    this.#watch();
    this.#inFlight += 1;
    task.lane.inFlight += 1;
    this.#inFlightOf.set(task.team, (this.#inFlightOf.get(task.team) ?? 0) + 1);
    if (task.chain !== null) this.#underWay.set(task.chain, []);
    begun(task).then(
      (value) => {
        task.resolve(value);
        this.#ended(task);
      },
      (error) => {
        task.reject(error);
        this.#ended(task);
      },
    );
  }

  #ended(task: Task): void {
    const { team, lane, chain } = task;
    this.#usage.ended(team, this.#now() - (task.begunAtMs ?? 0));
    if (task.late) {
      this.#late -= 1;
      this.#watch();
    } else this.#leavePlace(task);
    const left = (this.#inFlightOf.get(team) ?? 1) - 1;
    if (left === 0) this.#inFlightOf.delete(team);
    else this.#inFlightOf.set(team, left);
    if (chain !== null) {
      for (const task of this.#underWay.get(chain) ?? []) task.lane.queue.giveBack(task);
      this.#underWay.delete(chain);
      lane.queue.advance(chain);
    }
    this.#fill();
  }

  #leavePlace(task: Task): void {
    this.#inTime.delete(task);
    this.#inFlight -= 1;
    task.lane.inFlight -= 1;
  }

  /** Sees to it that the task that is late next leaves its place; there is one timer at most. */
  #watch(): void {
    const [oldest] = this.#inTime;
    if (this.#timer !== null || oldest === undefined || this.#late >= this.#limits.lateMax) return;
    const waitMs = (oldest.begunAtMs ?? 0) + this.#limits.lateMs - this.#now();
    this.#timer = setTimeout(() => this.#letLateGo(), Math.max(0, waitMs));
    this.#timer.unref();
  }

  #letLateGo(): void {
    this.#timer = null;
    const before = this.#now() - this.#limits.lateMs;
    for (const task of this.#inTime) {
      if (task.begunAtMs === null || task.begunAtMs > before || this.#late >= this.#limits.lateMax) break;
      task.late = true;
      this.#late += 1;
      this.#leavePlace(task);
    }
    this.#watch();
    this.#fill();
  }
}

function chainOf(team: string, orderKey: string): string {
  // No team's id has this character.
  return `${team}\0${orderKey}`;
}

/** A task that throws before its first await is a rejected promise like any other. */
async function begun(task: Task): Promise<unknown> {
  return await task.work();
}
