import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { routingKeys } from "@plugboard/contract";
import { startRedis } from "@plugboard/stack";
import { Redis } from "ioredis";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let server: Awaited<ReturnType<typeof startRedis>>;
let manager: TestManager;
let other: TestManager;
let redis: Redis;
let keys: ReturnType<typeof routingKeys>;

beforeAll(async () => {
  [ground, server] = await Promise.all([createGround(), startRedis()]);
  manager = await ground.start({ REDIS_URL: server.url });
  other = await ground.start({ REDIS_URL: server.url });
  redis = new Redis(server.url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  keys = routingKeys(ground.namespace);
  await manager.call("PUT", "/v1/plugins/one", registration());
  for (let index = 0; index < 20; index += 1)
    await manager.call("PUT", `/v1/teams/team-${index}/plugins/one`, { enabled: true });
});
afterAll(async () => {
  redis?.disconnect();
  await ground.clear();
  await server.stop();
});
beforeEach(() => complete());

/** Waits until Redis holds exactly what Postgres says, under an epoch. */
async function complete(): Promise<string> {
  return await eventually(async () => {
    const epoch = await redis.get(keys.epoch);
    const rows = await ground.query("SELECT key, entry::text AS entry FROM routing_entries ORDER BY key");
    const values = await redis.mget(rows.map(({ key }) => keys.ofChange(key)));
    const same = rows.every(({ entry }, index) => values[index] === entry);
    return epoch !== null && same && epoch;
  }, "the table is complete");
}

const change = (team: string, forms: string[]) =>
  manager.call("PUT", `/v1/teams/${team}/plugins/one`, { enabled: true, forms });

describe("the table is rebuilt under a new epoch", () => {
  test("after a flush", async () => {
    const before = await redis.get(keys.epoch);
    await redis.flushall();
    expect(await complete()).not.toBe(before);
  });

  test("after Redis was killed and came back empty; meanwhile changes are answered 202 and not lost", async () => {
    const before = await redis.get(keys.epoch);
    await server.kill();
    const answer = await change("team-1", ["while-down"]);
    expect([answer.status, answer.body.routing]).toEqual([202, "pending"]);
    expect((await manager.call("GET", "/readyz")).status).toBe(200);
    expect((await manager.call("GET", "/v1/plugins/one")).body).toMatchObject({ up: false, instancesKnown: false });
    expect((await manager.call("PUT", "/v1/plugins/one/instances/a")).body.code).toBe("unavailable");
    expect((await manager.call("PUT", "/v1/plugins/one", registration())).status).toBe(200);
    expect(
      (await manager.call("POST", "/internal/routes", { teams: ["team-1"] })).body.teams["team-1"].plugins[0].forms,
    ).toEqual(["while-down"]);
    await server.start();
    expect(await complete()).not.toBe(before);
    expect(JSON.parse((await redis.get(keys.team("team-1"))) ?? "").plugins[0].forms).toEqual(["while-down"]);
    await eventually(async () => (await change("team-2", ["after"])).status === 200, "changes are current again");
  });

  test("after a fail-over that lost the tail", async () => {
    const before = await redis.get(keys.epoch);
    await change("team-3", ["relayed"]);
    await redis.multi().set(keys.team("team-3"), '{"v":1,"plugins":[]}').decr(keys.seq).exec();
    expect(await eventually(async () => (await redis.get(keys.epoch)) !== before, "a new epoch")).toBe(true);
    await complete();
  });

  test("after Postgres was restored from an older backup, whatever versions Redis has", async () => {
    const before = await redis.get(keys.epoch);
    const [{ seq }] = await ground.query("SELECT seq FROM routing_state");
    await change("team-4", ["lost with the backup"]);
    await ground.query(`UPDATE routing_entries SET v = 1, entry = '{"v":1,"plugins":[]}' WHERE key = 'team:team-4'`);
    await ground.query("DELETE FROM routing_history WHERE key = 'team:team-4' AND v > 1");
    await ground.query("UPDATE routing_state SET seq = $1", [seq]);
    await eventually(async () => (await redis.get(keys.epoch)) !== before, "a new epoch");
    await complete();
    expect(await redis.get(keys.team("team-4"))).toBe('{"v":1,"plugins":[]}');
  });

  test("and entries that Postgres does not know vanish from it", async () => {
    await redis.set(keys.team("ghost"), '{"v":99,"plugins":[]}');
    await redis.del(keys.epoch);
    await complete();
    expect(await redis.get(keys.team("ghost"))).toBeNull();
  });

  test("once, though two instances see the loss, and with changes coming in all the time", async () => {
    const changing = Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        (index % 2 === 0 ? manager : other).call("PUT", `/v1/teams/team-${index % 10}/plugins/one`, {
          enabled: true,
          forms: [`during-${index}`],
        }),
      ),
    );
    await redis.flushall();
    expect((await changing).every(({ status }) => status === 200 || status === 202)).toBe(true);
    await complete();
    const epoch = await redis.get(keys.epoch);
    await change("team-0", ["later"]);
    expect(await redis.get(keys.epoch)).toBe(epoch);
    await complete();
  });
});

describe("by hand", () => {
  test("npm run routes:rebuild writes everything anew while managers run", async () => {
    const before = await redis.get(keys.epoch);
    const root = join(import.meta.dirname, "../../../..");
    const child = spawn(process.execPath, ["--conditions=source", "apps/manager/src/rebuild-routes.ts"], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: ground.databaseUrl,
        REDIS_URL: server.url,
        PLUGBOARD_NAMESPACE: ground.namespace,
      },
      stdio: "ignore",
    });
    const status = await new Promise((resolve) => child.once("exit", resolve));
    expect(status).toBe(0);
    expect(await complete()).not.toBe(before);
  });
});

describe("a Redis that evicts", () => {
  test("any key it likes is refused at start, with what to do", async () => {
    await redis.config("SET", "maxmemory-policy", "allkeys-lru");
    await expect(ground.start({ REDIS_URL: server.url })).rejects.toThrow(/maxmemory-policy allkeys-lru.*noeviction/);
    await redis.config("SET", "maxmemory-policy", "noeviction");
  });
});

describe("a manager that starts", () => {
  test("without Redis serves, and heals when Redis comes", async () => {
    await server.kill();
    const late = await ground.start({ REDIS_URL: server.url });
    const answer = await late.call("PUT", "/v1/teams/team-5/plugins/one", { enabled: true, forms: ["early"] });
    expect(answer.status).toBe(202);
    await server.start();
    await complete();
    await eventually(
      async () =>
        (await late.call("PUT", "/v1/teams/team-5/plugins/one", { enabled: true, forms: ["healed"] })).status === 200,
      "changes are current again",
    );
  });
});
