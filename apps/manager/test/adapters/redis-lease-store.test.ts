import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { Redis } from "ioredis";
import { RedisLeaseStore } from "../../src/adapters/redis-lease-store.ts";

const namespace = uniqueName("leases");
const key = (plugin: string) => `{${namespace}}:leases:${plugin}`;
const hash = (plugin: string) => `{${namespace}}:instances:${plugin}`;
let redis: Redis;
let leases: RedisLeaseStore;
beforeAll(() => {
  redis = new Redis(testEnvironment().redisUrl);
  leases = new RedisLeaseStore(redis, namespace);
});
afterAll(async () => {
  await redis.unlink(key("one"), key("two"), hash("one"), hash("two"));
  redis.disconnect();
});

test("an instance that crashed is no longer counted once its lease is over, though nobody says goodbye", async () => {
  await leases.renew("one", "crashed", { version: "1" });
  await leases.renew("one", "alive", { version: "2", keys: ["k"] });
  await redis.zadd(key("one"), Date.now() - 1, "crashed");
  expect((await leases.live(["one", "nobody"])).get("one")?.map(({ instance }) => instance)).toEqual(["alive"]);
  expect(await leases.renew("one", "alive", { version: "2", keys: ["k"] })).toEqual([
    { instance: "alive", expiresAt: expect.any(Date), runs: { version: "2", keys: ["k"] } },
  ]);
  expect(await redis.hkeys(hash("one"))).toEqual(["alive"]);
});

test("when the last instance is gone, Redis forgets the plugin by itself", async () => {
  await leases.renew("two", "alone", {});
  const left = await redis.pttl(key("two"));
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(15_000);
  expect(await leases.release("two", "alone")).toBe(0);
  expect(await redis.exists(key("two"), hash("two"))).toBe(0);
});

test("renewing is the same instance again, not another", async () => {
  await leases.renew("two", "same", {});
  expect(await leases.renew("two", "same", {})).toHaveLength(1);
});
