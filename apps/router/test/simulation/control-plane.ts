import type { PluginEntry, RoutesRequest, RoutesResponse, TeamEntry } from "@plugboard/contract";
import type { FetchRoutes, PollAnswer, Position, RouteCache, RouteKey } from "@plugboard/routing-table";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

type Entry = TeamEntry | PluginEntry;

interface RedisState {
  readonly epoch: string | null;
  readonly seq: number;
  readonly keys: ReadonlyMap<string, string>;
  readonly changes: readonly { readonly seq: number; readonly key: string; readonly entry: string }[];
}

const EMPTY: RedisState = { epoch: null, seq: 0, keys: new Map(), changes: [] };
const CHANGES_KEPT = 30;
const RELAY_MS_MAX = 40;
const RECONCILE_MS = 200;
const LATENCY_MS_MAX = 4;

/** An entry, from some moment on. */
interface Version<E> {
  readonly at: number;
  readonly entry: E;
}

/**
 * The manager with its Postgres, and the Redis it publishes to: changes are relayed after a moment, a Redis that lost
 * something is rebuilt under a new epoch after a moment.
 */
export class ControlPlane {
  redisUp = true;
  managerUp = true;
  /** Routers that do not reach Redis. */
  readonly cutOff = new Set<SimulatedProcess>();
  readonly #world: World;
  readonly #teams = new Map<string, Version<TeamEntry>[]>();
  readonly #plugins = new Map<string, Version<PluginEntry>[]>();
  #redis: RedisState = EMPTY;
  /** What Redis had before each of its last changes. */
  #before: RedisState[] = [];
  #relayed = 0;
  #epochs = 0;

  constructor(world: World) {
    this.#world = world;
    this.#reconcile();
  }

  setTeam(team: string, entry: Omit<TeamEntry, "v">): void {
    this.#commit(this.#teams, `team:${team}`, team, entry);
  }

  setPlugin(plugin: string, entry: Omit<PluginEntry, "v">): void {
    this.#commit(this.#plugins, `plugin:${plugin}`, plugin, entry);
  }

  team(team: string): TeamEntry | undefined {
    return this.#teams.get(team)?.at(-1)?.entry;
  }

  plugin(plugin: string): PluginEntry | undefined {
    return this.#plugins.get(plugin)?.at(-1)?.entry;
  }

  /** Every version of a team that was in force at some time between two moments. */
  teamBetween(team: string, from: number, to: number): (TeamEntry | null)[] {
    return between(this.#teams.get(team), from, to);
  }

  pluginBetween(plugin: string, from: number, to: number): (PluginEntry | null)[] {
    return between(this.#plugins.get(plugin), from, to);
  }

  flush(): void {
    this.#redis = EMPTY;
    this.#before = [];
  }

  /** Redis comes back with what it had before its last changes, as a fail-over does that lost the tail. */
  loseTail(changes: number): void {
    this.#redis = this.#before.at(-changes) ?? this.#redis;
    this.#before = [];
  }

  /** Redis, for one router. */
  cacheFor(process: SimulatedProcess): RouteCache {
    const reached = () => this.redisUp && !this.cutOff.has(process);
    return {
      poll: (since) => this.#answered(process, reached, () => this.#changesSince(since)),
      read: (keys) =>
        this.#answered(process, reached, () => {
          const { epoch, seq } = this.#redis;
          return { epoch, seq, values: keys.map((key) => this.#redis.keys.get(key) ?? null) };
        }),
      close: async () => undefined,
    };
  }

  /** The manager, for one router. */
  fetchRoutesFor(process: SimulatedProcess): FetchRoutes {
    return (request) =>
      this.#answered(
        process,
        () => this.managerUp,
        () => this.#routes(request),
      );
  }

  #commit<E extends Entry>(all: Map<string, Version<E>[]>, key: RouteKey, id: string, entry: Omit<E, "v">): void {
    const versions = all.get(id) ?? [];
    const v = (versions.at(-1)?.entry.v ?? 0) + 1;
    versions.push({ at: this.#world.now, entry: { ...entry, v } as E });
    all.set(id, versions);
    this.#world.at(this.#world.chance.float() * RELAY_MS_MAX, null, () => this.#relay(key));
  }

  #truth(key: RouteKey): Entry | undefined {
    const id = key.slice(key.indexOf(":") + 1);
    return key.startsWith("team:") ? this.team(id) : this.plugin(id);
  }

  #relay(key: RouteKey): void {
    const entry = this.#truth(key);
    if (!this.redisUp || this.#redis.epoch === null || entry === undefined) return;
    const known = this.#redis.keys.get(key);
    if (known !== undefined && (JSON.parse(known) as Entry).v >= entry.v) return;
    const seq = this.#redis.seq + 1;
    const json = JSON.stringify(entry);
    this.#before = [...this.#before, this.#redis].slice(-CHANGES_KEPT);
    const changes = [...this.#redis.changes, { seq, key, entry: json }].slice(-CHANGES_KEPT);
    this.#redis = { ...this.#redis, seq, keys: new Map(this.#redis.keys).set(key, json), changes };
    if (seq === this.#relayed + 1) this.#relayed = seq;
    else this.#rebuild();
  }

  #reconcile(): void {
    if (this.redisUp && (this.#redis.epoch === null || this.#redis.seq !== this.#relayed)) this.#rebuild();
    this.#world.at(RECONCILE_MS, null, () => this.#reconcile());
  }

  #rebuild(): void {
    if (!this.redisUp) return;
    this.#epochs += 1;
    const keys = new Map<string, string>();
    for (const [id, versions] of this.#teams) keys.set(`team:${id}`, JSON.stringify(versions.at(-1)?.entry));
    for (const [id, versions] of this.#plugins) keys.set(`plugin:${id}`, JSON.stringify(versions.at(-1)?.entry));
    this.#redis = { epoch: `e${this.#epochs}`, seq: 0, keys, changes: [] };
    this.#relayed = 0;
    this.#before = [];
  }

  #changesSince(since: Position): PollAnswer {
    const { epoch, seq, changes } = this.#redis;
    const wanted = epoch === since.epoch ? changes.filter((change) => change.seq > since.seq) : [];
    return { since, epoch, seq, changes: wanted };
  }

  #routes({ teams = [], plugins = [] }: RoutesRequest): RoutesResponse {
    return {
      teams: Object.fromEntries(teams.map((id) => [id, this.team(id) ?? null])),
      plugins: Object.fromEntries(plugins.map((id) => [id, this.plugin(id) ?? null])),
    };
  }

  /** There and back, each taking a random time; who is asked must be reachable at both ends. */
  #answered<T>(process: SimulatedProcess, reached: () => boolean, answer: () => T): Promise<T> {
    const { chance } = this.#world;
    const delay = () => chance.float() * LATENCY_MS_MAX * (chance.is(0.03) ? 20 : 1);
    return new Promise((resolve, reject) => {
      const refuse = () => reject(new Error("not reachable"));
      this.#world.at(delay(), null, () => {
        if (!reached()) return void this.#world.at(delay(), process, refuse);
        const given = answer();
        this.#world.at(delay(), process, () => (reached() ? resolve(given) : refuse()));
      });
    });
  }
}

function between<E>(versions: readonly Version<E>[] | undefined, from: number, to: number): (E | null)[] {
  if (versions === undefined) return [null];
  const first = versions.findLastIndex(({ at }) => at <= from);
  const inForce = versions.slice(Math.max(0, first)).filter(({ at }) => at <= to);
  const entries: (E | null)[] = inForce.map(({ entry }) => entry);
  return first < 0 ? [null, ...entries] : entries;
}
