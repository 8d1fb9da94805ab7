import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import type { Redis } from "ioredis";
import { createRedis } from "../../src/adapters/redis-connection.ts";
import { RedisRoutingTable } from "../../src/adapters/redis-routing-table.ts";

let redis: Redis;
let cleaner: Redis;
let namespace: string;
let table: RedisRoutingTable;
beforeEach(async () => {
  const connection = () => createRedis(testEnvironment().redisUrl, createLogger("test", "silent"));
  [redis, cleaner] = [connection(), connection()];
  await Promise.all([redis.connect(), cleaner.connect()]);
  namespace = uniqueName("rebuilt");
  table = new RedisRoutingTable(redis, namespace, false);
});
afterEach(async () => {
  redis.disconnect();
  const keys = await cleaner.keys(`{${namespace}}:*`);
  if (keys.length > 0) await cleaner.unlink(...keys);
  cleaner.disconnect();
});

/** One page, after something has happened. */
async function* pageAfter(happens: () => unknown) {
  await happens();
  yield [{ key: "team:red", v: 1, entry: { v: 1, plugins: [] } }];
}

test("without anything in its way it is done", async () => {
  expect(
    await table.rebuild(
      "e-1",
      pageAfter(() => {}),
    ),
  ).toEqual({ seq: 0, entries: 1 });
  expect(await table.found()).toEqual({ epoch: "e-1", seq: 0 });
});

test("a Redis that goes away under it is told as such, and is no error of ours", async () => {
  await expect(
    table.rebuild(
      "e-1",
      pageAfter(() => redis.disconnect()),
    ),
  ).rejects.toMatchObject({ code: "unavailable", status: 503 });
});

test("another rebuild that takes over is told as a conflict", async () => {
  const other = () =>
    table.rebuild(
      "e-2",
      pageAfter(() => {}),
    );
  await expect(table.rebuild("e-1", pageAfter(other))).rejects.toMatchObject({ code: "conflict", status: 409 });
  expect(await table.found()).toEqual({ epoch: "e-2", seq: 0 });
});
