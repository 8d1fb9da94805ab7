import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger, createRegistry } from "@plugboard/runtime";
import { startRedis, testEnvironment, uniqueName } from "@plugboard/stack";
import type { Registry } from "prom-client";
import { createRoutingTable, type ResolvedTeam, type RoutingTable, routingRedis } from "../src/index.ts";
import { TestPublisher } from "./test-publisher.ts";

const logger = createLogger("routing-table-test", "silent");

interface Reader {
  readonly table: RoutingTable;
  readonly registry: Registry;
}

function reader(url: string | null, namespace: string, manager: TestPublisher, staleAfterMs = 5_000): Reader {
  const registry = createRegistry({ defaultMetrics: false });
  const table = createRoutingTable({
    redis: url === null ? null : routingRedis(url),
    namespace,
    fetchRoutes: manager.fetchRoutes,
    registry,
    logger,
    pollMs: 20,
    staleAfterMs,
  });
  return { table, registry };
}

async function one(table: RoutingTable, team: string): Promise<ResolvedTeam | null | undefined> {
  return (await table.resolve([team])).get(team);
}

async function pluginsOf(table: RoutingTable, team: string): Promise<string[]> {
  return [...((await one(table, team))?.plugins.keys() ?? [])];
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("the condition did not come true within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function metric(registry: Registry, name: string, labels: Record<string, string> = {}): Promise<number> {
  const found = await registry.getSingleMetric(name)?.get();
  const fits = (given: Partial<Record<string, string | number>>) =>
    Object.entries(labels).every(([label, value]) => given[label] === value);
  return (found?.values ?? []).filter((value) => fits(value.labels)).reduce((sum, { value }) => sum + value, 0);
}

describe("the routing table on a real Redis", () => {
  let manager: TestPublisher;
  let now: Reader;
  let namespace: string;
  const { redisUrl } = testEnvironment();

  beforeEach(async () => {
    namespace = uniqueName("rt");
    manager = new TestPublisher(redisUrl, namespace);
    await manager.rebuild();
    await manager.setPlugin("sms");
    await manager.setPlugin("sheets");
    await manager.setTeam("team-a", ["sms"]);
    now = reader(redisUrl, namespace, manager);
    await now.table.start();
  });

  afterEach(async () => {
    await now.table.stop();
    await manager.close();
  });

  test("resolves known and unknown teams of a batch from Redis alone", async () => {
    const resolved = await now.table.resolve(["team-a", "team-b"]);
    expect(resolved.get("team-a")).toEqual({
      team: manager.teams.get("team-a"),
      plugins: new Map([["sms", manager.plugins.get("sms")]]),
    });
    expect(resolved.get("team-b")).toBeNull();
    expect(manager.calls).toBe(0);
  });

  test("gives the very same object until one of its entries changes", async () => {
    const first = await one(now.table, "team-a");
    expect(await one(now.table, "team-a")).toBe(first);
    await manager.setPlugin("sms", { state: "disabled" });
    await until(async () => (await one(now.table, "team-a"))?.plugins.get("sms")?.state === "disabled");
  });

  test("follows a change of a team, also of one that was unknown before", async () => {
    expect(await one(now.table, "team-b")).toBeNull();
    expect(await pluginsOf(now.table, "team-a")).toEqual(["sms"]);
    await manager.setTeam("team-a", []);
    await manager.setTeam("team-b", ["sheets"]);
    await until(async () => (await pluginsOf(now.table, "team-a")).length === 0);
    await until(async () => (await pluginsOf(now.table, "team-b")).join() === "sheets");
    expect(manager.calls).toBe(0);
  });

  test("drops everything when the table was rebuilt under a new epoch, even back to older versions", async () => {
    await manager.setTeam("team-a", ["sms", "sheets"]);
    await until(async () => (await pluginsOf(now.table, "team-a")).length === 2);
    manager.teams.set("team-a", { v: 1, plugins: [] });
    await manager.rebuild();
    await until(async () => (await one(now.table, "team-a"))?.team.v === 1);
    expect(await metric(now.registry, "routing_table_resets_total", { reason: "epoch" })).toBe(1);
  });

  test("starts anew when the change stream no longer reaches back to its position", async () => {
    expect(await pluginsOf(now.table, "team-a")).toEqual(["sms"]);
    const { keys } = manager;
    manager.teams.set("team-a", { v: 9, plugins: [] });
    await manager.redis
      .multi()
      .set(keys.team("team-a"), JSON.stringify(manager.teams.get("team-a")))
      .incrby(keys.seq, 5)
      .exec();
    await until(async () => (await one(now.table, "team-a"))?.team.v === 9);
    expect(await metric(now.registry, "routing_table_resets_total", { reason: "hole" })).toBe(1);
  });

  test("asks the manager for an entry that Redis has in a form nobody can read, and counts it", async () => {
    await manager.redis.set(manager.keys.team("team-m"), '{"v":1,"plugins":"none"}');
    manager.teams.set("team-m", { v: 1, plugins: [] });
    expect(await one(now.table, "team-m")).toEqual({ team: { v: 1, plugins: [] }, plugins: new Map() });
    expect(manager.calls).toBe(1);
    expect(await metric(now.registry, "routing_table_malformed_entries_total")).toBe(1);
  });

  test("asks the manager, and does not take a nil for an absence, while the table has no epoch", async () => {
    await manager.redis.del(manager.keys.epoch, manager.keys.team("team-a"));
    expect(await pluginsOf(now.table, "team-a")).toEqual(["sms"]);
    expect(manager.calls).toBeGreaterThan(0);
  });

  test("waits while neither Redis nor the manager can tell, and answers once one of them can", async () => {
    await manager.redis.del(manager.keys.epoch);
    manager.down = true;
    let answered = false;
    const waiting = pluginsOf(now.table, "team-a").finally(() => {
      answered = true;
    });
    await until(async () => manager.calls >= 2);
    expect(answered).toBe(false);
    manager.down = false;
    expect(await waiting).toEqual(["sms"]);
  });

  test("stops waiting when the caller gives up", async () => {
    await manager.redis.del(manager.keys.epoch);
    manager.down = true;
    await expect(now.table.resolve(["team-a"], AbortSignal.timeout(50))).rejects.toThrow("timeout");
  });

  test("believes no epoch in which Redis has lost changes it had told of", async () => {
    expect(await pluginsOf(now.table, "team-a")).toEqual(["sms"]);
    await manager.redis.decr(manager.keys.seq);
    await until(async () => (await metric(now.registry, "routing_table_polls_total", { result: "rewound" })) > 0);
    manager.teams.set("team-x", { v: 1, plugins: [] });
    expect((await one(now.table, "team-x"))?.team.v).toBe(1);
    expect(manager.calls).toBeGreaterThan(0);
  });

  test("reads each missing key once, however many look-ups wait for it", async () => {
    const before = Number(/total_commands_processed:(\d+)/.exec(await manager.redis.info("stats"))?.[1]);
    expect(before).toBeGreaterThan(0);
    const teams = Array.from({ length: 50 }, () => now.table.resolve(["team-a", "team-z"]));
    for (const resolved of await Promise.all(teams)) expect(resolved.get("team-z")).toBeNull();
    expect(await metric(now.registry, "routing_table_l1_entries")).toBe(3);
  });

  test("knows that a text that is no team id names no team, without asking for it", async () => {
    expect((await now.table.resolve(["Not A Team!", "team-a"])).get("Not A Team!")).toBeNull();
  });

  test("lives on the manager alone where there is no Redis, and renews what is older than the bound", async () => {
    const without = reader(null, namespace, manager, 200);
    await without.table.start();
    expect(await pluginsOf(without.table, "team-a")).toEqual(["sms"]);
    await manager.setTeam("team-a", ["sheets"], { publish: false });
    await until(async () => (await pluginsOf(without.table, "team-a")).join() === "sheets");
    await without.table.stop();
  });
});

describe("the routing table when its Redis fails", () => {
  test("a flushed and a killed Redis lead to the manager, and a rebuilt one is followed again", async () => {
    const redis = await startRedis();
    const manager = new TestPublisher(redis.url, "pb");
    await manager.rebuild();
    await manager.setPlugin("sms");
    await manager.setTeam("team-a", ["sms"]);
    const { table, registry } = reader(redis.url, "pb", manager, 300);
    try {
      await table.start();
      expect(await pluginsOf(table, "team-a")).toEqual(["sms"]);
      expect(manager.calls).toBe(0);

      await manager.redis.flushall();
      await manager.setTeam("team-a", [], { publish: false });
      await until(async () => (await pluginsOf(table, "team-a")).length === 0);
      await manager.rebuild();
      await until(async () => (await metric(registry, "routing_table_resets_total", { reason: "epoch" })) === 1);

      await redis.kill();
      await manager.setTeam("team-a", ["sms"], { publish: false });
      await until(async () => (await pluginsOf(table, "team-a")).join() === "sms");
      // The manager may have been asked before the next poll was due.
      await until(async () => (await metric(registry, "routing_table_polls_total", { result: "failed" })) > 0);

      await redis.start();
      await manager.rebuild();
      await until(async () => (await metric(registry, "routing_table_resets_total", { reason: "epoch" })) === 2);
      await manager.setTeam("team-a", []);
      await until(async () => (await pluginsOf(table, "team-a")).length === 0);
    } finally {
      await table.stop();
      await manager.close();
      await redis.stop();
    }
  });

  test("starts on the manager's word when Redis is dead, and not at all when nobody answers", async () => {
    const redis = await startRedis();
    const manager = new TestPublisher(redis.url, "pb");
    await redis.kill();
    manager.down = true;
    manager.teams.set("team-a", { v: 1, plugins: [] });
    const { table } = reader(redis.url, "pb", manager);
    try {
      await expect(table.start(AbortSignal.timeout(300))).rejects.toThrow();
      expect(table.stalenessSeconds()).toBe(Number.POSITIVE_INFINITY);
      manager.down = false;
      await table.start();
      expect((await one(table, "team-a"))?.team.v).toBe(1);
    } finally {
      await table.stop();
      await manager.close();
      await redis.stop();
    }
  });
});
