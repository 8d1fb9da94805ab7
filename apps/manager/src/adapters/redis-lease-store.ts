import { type Heartbeat, heartbeatSchema, LEASE_SECONDS } from "@plugboard/contract";
import type { Redis } from "ioredis";
import type { Lease, LeaseStore } from "../domain/ports.ts";

/** Instances counted per plugin; a registration of more is refused by dropping the one that would expire first. */
const INSTANCES_MAX = 1_000;

/** Takes out of set and hash who is among `gone`. In pieces, for a script's call takes only so many arguments. */
const FORGET = `
local function forget(gone)
  for _, instance in ipairs(gone) do
    redis.call('ZREM', KEYS[1], instance)
    redis.call('HDEL', KEYS[2], instance)
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** Answers (instance, expiry, …) and (instance, what it runs, …). */
const ANSWER = `return {redis.call('ZRANGE', KEYS[1], '(' .. now, '+inf', 'BYSCORE', 'WITHSCORES'), redis.call('HGETALL', KEYS[2])}`;

/**
 * KEYS the plugin's set, and the hash of what its instances run; ARGV instance, lease in ms, most instances, what it runs. Redis'
 * clock alone decides, so managers' clocks need not agree.
 */
const RENEW = `${FORGET}
forget(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE'))
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
forget(redis.call('ZRANGE', KEYS[1], 0, -1 - ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
${ANSWER}`;

const RELEASE = `${FORGET}
forget({ARGV[1]})
forget(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE'))
return redis.call('ZCARD', KEYS[1])`;

/** KEYS the sets and hashes, in pairs. */
const LIVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
for i = 1, #KEYS, 2 do
  answer[#answer + 1] = {redis.call('ZRANGE', KEYS[i], '(' .. now, '+inf', 'BYSCORE', 'WITHSCORES'), redis.call('HGETALL', KEYS[i + 1])}
end
return answer`;

type Answer = readonly [expiries: readonly string[], runs: readonly string[]];

/** Leases in Redis: one sorted set per plugin, scored by expiry, and a hash of what they run. They vanish by themselves. */
export class RedisLeaseStore implements LeaseStore {
  readonly #redis: Redis;
  readonly #namespace: string;

  constructor(redis: Redis, namespace: string) {
    this.#redis = redis;
    this.#namespace = namespace;
  }

  async renew(plugin: string, instance: string, runs: Heartbeat): Promise<readonly Lease[]> {
    const args = [instance, LEASE_SECONDS * 1_000, INSTANCES_MAX, JSON.stringify(runs)];
    return leasesOf((await this.#redis.eval(RENEW, 2, ...this.#keys(plugin), ...args)) as Answer);
  }

  async release(plugin: string, instance: string): Promise<number> {
    return (await this.#redis.eval(RELEASE, 2, ...this.#keys(plugin), instance)) as number;
  }

  async live(plugins: readonly string[]): Promise<ReadonlyMap<string, readonly Lease[]>> {
    if (plugins.length === 0) return new Map();
    const keys = plugins.flatMap((id) => this.#keys(id));
    const answers = (await this.#redis.eval(LIVE, keys.length, ...keys)) as Answer[];
    return new Map(plugins.map((id, index) => [id, leasesOf(answers[index] ?? [[], []])]));
  }

  #keys(plugin: string): [string, string] {
    return [`{${this.#namespace}}:leases:${plugin}`, `{${this.#namespace}}:instances:${plugin}`];
  }
}

function leasesOf([expiries, runs]: Answer): Lease[] {
  const runsOf = new Map(pairs(runs));
  return pairs(expiries).map(([instance, expires]) => ({
    instance,
    expiresAt: new Date(Number(expires)),
    runs: heartbeatSchema.catch({}).parse(JSON.parse(runsOf.get(instance) ?? "{}")),
  }));
}

function pairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ""] satisfies [string, string]] : []));
}
