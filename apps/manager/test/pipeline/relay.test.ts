import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { routingKeys } from "@plugboard/contract";
import { testEnvironment } from "@plugboard/stack";
import { Redis } from "ioredis";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let managers: [TestManager, TestManager];
let redis: Redis;
let keys: ReturnType<typeof routingKeys>;

beforeAll(async () => {
  ground = await createGround();
  managers = [await ground.start(), await ground.start()];
  redis = new Redis(testEnvironment().redisUrl);
  keys = routingKeys(ground.namespace);
  for (const id of ["one", "two", "three"]) await managers[0].call("PUT", `/v1/plugins/${id}`, registration());
});
afterAll(async () => {
  redis.disconnect();
  await ground.clear();
});

const either = (index: number) => managers[index % 2 === 0 ? 0 : 1];
const outboxIsEmpty = async () => (await ground.query("SELECT 1 FROM routing_outbox LIMIT 1")).length === 0;

/** Sends a change until it is taken. Where the machine is busy, turns take longer than a request waits for one: it is refused, and changes nothing. */
async function taken(index: number, path: string, body: Record<string, unknown>): Promise<number> {
  return await eventually(async () => {
    const { status } = await either(index).call("PUT", path, body);
    return status === 503 ? undefined : status;
  }, "the change is taken");
}

async function changesOf(key: string): Promise<{ seq: number; v: number; entry: string }[]> {
  const changes = await redis.xrange(keys.changes, "-", "+");
  return changes
    .map(([id, [, changed, , entry]]) => ({ seq: Number(id.split("-")[0]), changed, entry: entry ?? "" }))
    .filter(({ changed }) => changed === key)
    .map(({ seq, entry }) => ({ seq, entry, v: JSON.parse(entry).v }));
}

describe("two instances", () => {
  test("50 changes of one team at once: the table equals Postgres, and no version overtakes another", async () => {
    const plugins = ["one", "two", "three"];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        taken(index, `/v1/teams/raced/plugins/${plugins[index % 3]}`, { enabled: true, forms: [`form-${index}`] }),
      ),
    );
    expect(answers.filter((status) => status !== 200 && status !== 202)).toEqual([]);
    await eventually(outboxIsEmpty, "every change is relayed");
    const [row] = await ground.query("SELECT v, entry FROM routing_entries WHERE key = 'team:raced'");
    expect(JSON.parse((await redis.get(keys.team("raced"))) ?? "")).toEqual(row.entry);
    expect(row.v).toBe(50);
    const versions = (await changesOf("team:raced")).map(({ v }) => v);
    expect(versions).toEqual(versions.toSorted((one, other) => one - other));
    expect(versions.at(-1)).toBe(50);
    const rows = await ground.query(
      "SELECT plugin_id, forms FROM team_plugins WHERE team_id = 'raced' ORDER BY plugin_id",
    );
    expect(
      row.entry.plugins.map(({ id, forms }: { id: string; forms: string[] }) => ({ plugin_id: id, forms })),
    ).toEqual(rows);
  });

  test("changes of many teams: each is in the table and in the change stream, which has no hole", async () => {
    const teams = Array.from({ length: 40 }, (_, index) => `many-${index}`);
    const answers = await Promise.all(
      teams.map((team, index) => taken(index, `/v1/teams/${team}/plugins/one`, { enabled: true })),
    );
    expect(answers.filter((status) => status !== 200 && status !== 202)).toEqual([]);
    await eventually(outboxIsEmpty, "every change is relayed");
    const entries = await redis.mget(teams.map((team) => keys.team(team)));
    expect(entries.every((entry) => entry !== null && JSON.parse(entry).plugins[0].id === "one")).toBe(true);
    const ids = (await redis.xrange(keys.changes, "-", "+")).map(([id]) => id);
    expect(ids).toEqual(ids.map((_, index) => `${index + 1}-0`));
    expect(await redis.get(keys.seq)).toBe(String(ids.length));
  });

  test("a change answered 200 is in Redis already", async () => {
    for (let index = 0; index < 10; index += 1) {
      const answer = await either(index).call("PUT", "/v1/teams/prompt/plugins/one", {
        enabled: true,
        forms: [`form-${index}`],
      });
      const entry = JSON.parse((await redis.get(keys.team("prompt"))) ?? "{}");
      expect([answer.status, answer.body.routing, entry.plugins[0].forms]).toEqual([200, "current", [`form-${index}`]]);
    }
  });

  test("a change that an instance left behind when it died is relayed by the other", async () => {
    await ground.query(`
      WITH entry AS (SELECT '{"v":1,"plugins":[]}'::json AS entry),
        written AS (INSERT INTO routing_entries (key, v, entry) SELECT 'team:orphan', 1, entry FROM entry)
      INSERT INTO routing_outbox (key, v, entry) SELECT 'team:orphan', 1, entry FROM entry`);
    const entry = await eventually(async () => (await redis.get(keys.team("orphan"))) ?? undefined, "it is relayed");
    expect(entry).toBe('{"v":1,"plugins":[]}');
  });
});

describe("the table", () => {
  test("an older version never replaces a newer one, and is not told to readers", async () => {
    await redis.set(keys.team("ahead"), '{"v":7,"plugins":[]}');
    const seq = await redis.get(keys.seq);
    await ground.query(`INSERT INTO routing_outbox (key, v, entry) VALUES ('team:ahead', 6, '{"v":6,"plugins":[]}')`);
    await eventually(outboxIsEmpty, "it is settled");
    expect(await redis.get(keys.team("ahead"))).toBe('{"v":7,"plugins":[]}');
    expect(await redis.get(keys.seq)).toBe(seq);
  });

  test("a value that is no entry is replaced", async () => {
    await redis.set(keys.team("broken"), "not json");
    await ground.query(`INSERT INTO routing_outbox (key, v, entry) VALUES ('team:broken', 1, '{"v":1,"plugins":[]}')`);
    await eventually(outboxIsEmpty, "it is settled");
    expect(await redis.get(keys.team("broken"))).toBe('{"v":1,"plugins":[]}');
  });
});
