import { randomUUID } from "node:crypto";
import {
  type PluginEntry,
  type RoutesRequest,
  type RoutesResponse,
  routingKeys,
  type TeamEntry,
} from "@plugboard/contract";
import { Redis } from "ioredis";

/** Compare-and-set by version, count seq up, append to the stream: what the contract asks of the manager. */
const PUBLISH = `
local known = redis.call('GET', KEYS[1])
if known and cjson.decode(known).v >= tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
local seq = redis.call('INCR', KEYS[2])
redis.call('XADD', KEYS[3], seq .. '-0', 'key', ARGV[1], 'entry', ARGV[2])
return seq
`;

/** A manager for tests of the reading side: keeps the truth, publishes it by the contract, answers as L3. */
export class TestPublisher {
  readonly teams = new Map<string, TeamEntry>();
  readonly plugins = new Map<string, PluginEntry>();
  /** Set to make L3 fail. */
  down = false;
  calls = 0;
  readonly redis: Redis;
  readonly #namespace: string;

  constructor(url: string, namespace: string) {
    this.redis = new Redis(url, { maxRetriesPerRequest: null, commandTimeout: 5_000 });
    this.redis.on("error", () => undefined);
    this.#namespace = namespace;
  }

  get keys() {
    return routingKeys(this.#namespace);
  }

  async setTeam(team: string, plugins: readonly string[], change: { publish?: boolean } = {}): Promise<void> {
    const entry: TeamEntry = { v: (this.teams.get(team)?.v ?? 0) + 1, plugins: plugins.map((id) => route(id)) };
    this.teams.set(team, entry);
    if (change.publish ?? true) await this.publish(`team:${team}`, entry);
  }

  async setPlugin(id: string, change: Partial<PluginEntry> = {}): Promise<void> {
    const entry: PluginEntry = {
      events: ["onResponse"],
      priorityEvents: [],
      sync: null,
      state: "enabled",
      ...change,
      v: (this.plugins.get(id)?.v ?? 0) + 1,
    };
    this.plugins.set(id, entry);
    await this.publish(`plugin:${id}`, entry);
  }

  async publish(key: string, entry: TeamEntry | PluginEntry): Promise<void> {
    const { keys } = this;
    const json = JSON.stringify(entry);
    await this.redis.eval(PUBLISH, 3, keys.ofChange(key), keys.seq, keys.changes, key, json, String(entry.v));
  }

  /** Writes the whole table anew under a new epoch. */
  async rebuild(): Promise<void> {
    const { keys } = this;
    const all = this.redis.multi().del(keys.epoch).del(keys.changes).set(keys.seq, "0");
    for (const [id, entry] of this.teams) all.set(keys.team(id), JSON.stringify(entry));
    for (const [id, entry] of this.plugins) all.set(keys.plugin(id), JSON.stringify(entry));
    await all.set(keys.epoch, randomUUID()).exec();
  }

  /** L3. */
  readonly fetchRoutes = async ({ teams = [], plugins = [] }: RoutesRequest): Promise<RoutesResponse> => {
    this.calls += 1;
    if (this.down) throw new Error("the manager is down");
    return {
      teams: Object.fromEntries(teams.map((id) => [id, this.teams.get(id) ?? null])),
      plugins: Object.fromEntries(plugins.map((id) => [id, this.plugins.get(id) ?? null])),
    };
  };

  /** Removes its keys, if Redis is still there, and its connection. */
  async close(): Promise<void> {
    const { keys } = this;
    const all = [
      keys.epoch,
      keys.seq,
      keys.changes,
      ...[...this.teams.keys()].map(keys.team),
      ...[...this.plugins.keys()].map(keys.plugin),
    ];
    if (this.redis.status === "ready") await this.redis.del(...all).catch(() => undefined);
    this.redis.disconnect();
  }
}

function route(id: string): TeamEntry["plugins"][number] {
  return { id, ready: true, forms: null, filter: null, mode: "async", onFailure: "open", quota: null };
}
