import type { PluginEntry, RoutesRequest, RoutesResponse, TeamEntry } from "@plugboard/contract";
import type { Clock } from "@plugboard/runtime";
import type { CacheAnswer, FetchRoutes, PollAnswer, Position, RouteCache, RouteKey } from "../src/domain/ports.ts";

/** Random numbers that a seed repeats. */
export type Random = () => number;

/** Numbers between 0 and 1 from a seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Time that only moves when everything due before has run. */
export class SimulatedTime implements Clock {
  #now = 0;
  #order = 0;
  readonly #due: Array<{ readonly at: number; readonly order: number; readonly run: () => void }> = [];

  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  at(ms: number, run: () => void): void {
    this.#order += 1;
    this.#due.push({ at: this.#now + ms, order: this.#order, run });
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.at(ms, resolve);
    });
  }

  async runUntil(end: number): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      const [next] = this.#due.sort((one, other) => one.at - other.at || one.order - other.order);
      if (next === undefined || next.at > end) break;
      this.#due.shift();
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}

interface RedisState {
  readonly epoch: string | null;
  readonly seq: number;
  readonly keys: ReadonlyMap<string, string>;
  readonly changes: ReadonlyArray<{ readonly seq: number; readonly key: string; readonly entry: string }>;
}

const EMPTY: RedisState = { epoch: null, seq: 0, keys: new Map(), changes: [] };
const CHANGES_KEPT = 8;

/** What was true of an entry from some moment on. `commit` grows with every change, also where versions go back. */
interface Committed {
  readonly at: number;
  readonly commit: number;
}

/**
 * A manager with its Postgres, and the Redis it publishes to, as state machines on simulated time: changes are relayed
 * after a moment, a Redis that lost something is rebuilt under a new epoch after a moment. Answers take a random time,
 * and may overtake each other.
 */
export class SimulatedManager {
  redis: RedisState = EMPTY;
  /** Whether readers reach Redis; whether anybody does; whether the manager answers. */
  linkUp = true;
  redisUp = true;
  managerUp = true;
  /** Longest an answer takes, one way, and how much longer one in twenty does. */
  latencyMsMax = 30;
  slowFactor = 1;
  readonly history = new Map<string, Committed[]>();
  readonly #time: SimulatedTime;
  readonly #random: Random;
  readonly #truth = new Map<string, TeamEntry | PluginEntry>();
  /** What Redis had before each of its last changes. */
  #before: RedisState[] = [];
  #relayed = 0;
  #epochs = 0;
  #commits = 0;

  constructor(time: SimulatedTime, random: Random) {
    this.#time = time;
    this.#random = random;
    this.rebuild();
    this.#reconcile();
  }

  /** Commits a change, relayed a moment later. @param back by how much the version goes back (a restored backup). */
  commit(key: RouteKey, plugins: readonly string[], back = 0): void {
    this.#commits += 1;
    const v = Math.max(0, (this.#truth.get(key)?.v ?? 0) + 1 - back);
    const mark = `c${this.#commits}`;
    const entry: TeamEntry | PluginEntry = key.startsWith("team:")
      ? { v, plugins: plugins.map((id) => teamRoute(id, mark)) }
      : { v, events: [mark], priorityEvents: [], sync: null, state: "enabled" };
    this.#truth.set(key, entry);
    const known = this.history.get(key) ?? [];
    known.push({ at: this.#time.now(), commit: this.#commits });
    this.history.set(key, known);
    if (back > 0) this.rebuild();
    else this.#time.at(this.#random() * 40, () => this.#relay(key));
  }

  /** The commit that was in force at a moment; 0 before the first. */
  commitAt(key: RouteKey, at: number): number {
    return this.history.get(key)?.findLast((committed) => committed.at <= at)?.commit ?? 0;
  }

  flush(): void {
    this.redis = EMPTY;
    this.#before = [];
  }

  /** Redis comes back with what it had before its last changes, as a fail-over does that lost the tail. */
  rewind(changes: number): void {
    this.redis = this.#before.at(-changes) ?? this.redis;
    this.#before = [];
  }

  rebuild(): void {
    if (!this.redisUp) return;
    this.#epochs += 1;
    const keys = new Map([...this.#truth].map(([key, entry]) => [key as string, JSON.stringify(entry)]));
    this.redis = { epoch: `e${this.#epochs}`, seq: 0, keys, changes: [] };
    this.#relayed = 0;
    this.#before = [];
  }

  readonly cache: RouteCache = {
    poll: (since) => this.#answered(this.#reachable, () => this.#changesSince(since)),
    read: (keys) => this.#answered(this.#reachable, () => this.#values(keys)),
    close: async () => undefined,
  };

  readonly fetchRoutes: FetchRoutes = (request) =>
    this.#answered(
      () => this.managerUp,
      () => this.#routes(request),
    );

  readonly #reachable = () => this.linkUp && this.redisUp;

  #relay(key: RouteKey): void {
    const entry = this.#truth.get(key);
    if (!this.redisUp || this.redis.epoch === null || entry === undefined) return;
    const known = this.redis.keys.get(key);
    if (known !== undefined && (JSON.parse(known) as { v: number }).v >= entry.v) return;
    const seq = this.redis.seq + 1;
    const json = JSON.stringify(entry);
    this.#before = [...this.#before, this.redis].slice(-CHANGES_KEPT);
    const changes = [...this.redis.changes, { seq, key, entry: json }].slice(-CHANGES_KEPT);
    this.redis = { ...this.redis, seq, keys: new Map(this.redis.keys).set(key, json), changes };
    if (seq === this.#relayed + 1) this.#relayed = seq;
    else this.rebuild();
  }

  #reconcile(): void {
    if (this.redisUp && (this.redis.epoch === null || this.redis.seq !== this.#relayed)) this.rebuild();
    this.#time.at(100 + this.#random() * 100, () => this.#reconcile());
  }

  #changesSince(since: Position): PollAnswer {
    const { epoch, seq, changes } = this.redis;
    const wanted = epoch === since.epoch ? changes.filter((change) => change.seq > since.seq) : [];
    return { since, epoch, seq, changes: wanted };
  }

  #values(keys: readonly RouteKey[]): CacheAnswer {
    const { epoch, seq } = this.redis;
    return { epoch, seq, values: keys.map((key) => this.redis.keys.get(key) ?? null) };
  }

  #routes({ teams = [], plugins = [] }: RoutesRequest): RoutesResponse {
    const of = <E>(kind: string, ids: readonly string[]) =>
      Object.fromEntries(ids.map((id) => [id, (this.#truth.get(`${kind}:${id}` as RouteKey) ?? null) as E | null]));
    return { teams: of<TeamEntry>("team", teams), plugins: of<PluginEntry>("plugin", plugins) };
  }

  /** There and back, each taking a random time; who is asked must be reachable at both ends. */
  #answered<T>(up: () => boolean, answer: () => T): Promise<T> {
    const delay = () => this.#random() * (this.#random() < 0.05 ? this.slowFactor : 1) * this.latencyMsMax;
    return new Promise((resolve, reject) => {
      const refuse = () => reject(new Error("not reachable"));
      this.#time.at(delay(), () => {
        if (!up()) return refuse();
        const given = answer();
        this.#time.at(delay(), () => (up() ? resolve(given) : refuse()));
      });
    });
  }
}

/** The commit an entry was made by. */
export function commitOf(entry: TeamEntry | PluginEntry): number {
  const mark = "events" in entry ? entry.events[0] : entry.plugins[0]?.forms?.[0];
  return Number(mark?.slice(1) ?? Number.NaN);
}

function teamRoute(id: string, mark: string): TeamEntry["plugins"][number] {
  return { id, ready: true, forms: [mark], filter: null, mode: "async", onFailure: "open", quota: null };
}
