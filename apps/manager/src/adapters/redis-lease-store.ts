import { LEASE_SECONDS } from "@plugboard/contract";
import type { Redis } from "ioredis";
import type { Lease, LeaseStore } from "../domain/ports.ts";

/** Instances counted per plugin; a registration of more is refused by dropping the one that would expire first. */
const INSTANCES_MAX = 1_000;

/**
 * KEYS the plugin's set; ARGV instance, lease in ms, most instances. Redis' clock alone decides, so managers' clocks
 * need not agree.
 */
const RENEW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires = now + ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], expires, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {tostring(expires), redis.call('ZCARD', KEYS[1])}`;

const RELEASE = `
local time = redis.call('TIME')
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('ZCARD', KEYS[1])`;

/** KEYS the sets; answers (instance, expiry, …) of each. */
const LIVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
for i = 1, #KEYS do
  answer[i] = redis.call('ZRANGE', KEYS[i], '(' .. now, '+inf', 'BYSCORE', 'WITHSCORES')
end
return answer`;

/** Leases in Redis: one sorted set per plugin, scored by expiry. They vanish by themselves. */
export class RedisLeaseStore implements LeaseStore {
  readonly #redis: Redis;
  readonly #namespace: string;

  constructor(redis: Redis, namespace: string) {
    this.#redis = redis;
    this.#namespace = namespace;
  }

  async renew(plugin: string, instance: string): Promise<{ expiresAt: Date; instances: number }> {
    const answer = await this.#redis.eval(RENEW, 1, this.#key(plugin), instance, LEASE_SECONDS * 1_000, INSTANCES_MAX);
    const [expires, instances] = answer as [string, number];
    return { expiresAt: new Date(Number(expires)), instances };
  }

  async release(plugin: string, instance: string): Promise<number> {
    return (await this.#redis.eval(RELEASE, 1, this.#key(plugin), instance)) as number;
  }

  async live(plugins: readonly string[]): Promise<ReadonlyMap<string, readonly Lease[]>> {
    if (plugins.length === 0) return new Map();
    const answer = (await this.#redis.eval(LIVE, plugins.length, ...plugins.map((id) => this.#key(id)))) as string[][];
    return new Map(plugins.map((id, index) => [id, leasesOf(answer[index] ?? [])]));
  }

  #key(plugin: string): string {
    return `{${this.#namespace}}:leases:${plugin}`;
  }
}

function leasesOf(flat: readonly string[]): Lease[] {
  const leases: Lease[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    leases.push({ instance: flat[at] ?? "", expiresAt: new Date(Number(flat[at + 1])) });
  }
  return leases;
}
