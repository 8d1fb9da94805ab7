import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type FakePlugin, type PluginCall, type Reply, startFakePlugin } from "../fake-plugin.ts";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
let plugin: FakePlugin;

const knows = ({ body }: PluginCall): Reply => ({ body: { status: "done", version: body.version } });

beforeAll(async () => {
  ground = await createGround();
  [manager, plugin] = await Promise.all([ground.start(), startFakePlugin(knows)]);
});
afterAll(async () => {
  await ground.clear();
  await plugin.close();
});

const register = async (id: string, enablements: boolean) => {
  const answer = await manager.call("PUT", `/v1/plugins/${id}`, registration({ url: plugin.url, enablements }));
  plugin.secret = answer.body.webhookSecret;
};
const put = (id: string, team: string, body: object) => manager.call("PUT", `/v1/teams/${team}/plugins/${id}`, body);
const toldOf = (team: string) => plugin.calls.filter(({ path, body }) => path === "/enablement" && body.team === team);
const told = (team: string, count: number) =>
  eventually(
    async () => (toldOf(team).length >= count ? toldOf(team).map(({ body }) => body) : undefined),
    `${team} is told of`,
  );
const settled = (id: string) =>
  eventually(async () => {
    const rows = await ground.query("SELECT 1 FROM team_plugins WHERE plugin_id = $1 AND tell_at IS NOT NULL", [id]);
    return rows.length === 0 || undefined;
  }, "the plugin knows everything");

test("a plugin that asked for it is told of each change, signed and once; what changes nothing is not told", async () => {
  await register("told", true);
  await put("told", "red", { enabled: true });
  await told("red", 1);
  await put("told", "red", { enabled: true, filter: "true" });
  await put("told", "red", { enabled: false });
  expect(await told("red", 2)).toEqual([
    { team: "red", version: 1, enabled: true },
    { team: "red", version: 2, enabled: false },
  ]);
  await settled("told");
  expect(toldOf("red").map(({ signed }) => signed)).toEqual([true, true]);
  expect((await manager.call("GET", "/v1/plugins/told")).body.enablements).toBe(true);
});

test("it is told again until it has done with it, and of what is true by then", async () => {
  await register("busy", true);
  plugin.reply = ({ body }) => ({ body: { status: "working", version: body.version } });
  await put("busy", "green", { enabled: true });
  await told("green", 2);
  plugin.reply = () => ({ status: 503, body: {} });
  await put("busy", "green", { enabled: false });
  await put("busy", "green", { enabled: true });
  const before = toldOf("green").length;
  await told("green", before + 1);
  plugin.reply = ({ body }) => ({ body: { status: "failed", version: body.version, reason: "no such account" } });
  await settled("busy");
  expect(toldOf("green").at(-1)?.body).toEqual({ team: "green", version: 3, enabled: true });
  plugin.reply = knows;
});

test("the first registration that asks for it is told of the teams that have it enabled already, and a later one of none", async () => {
  await register("late", false);
  await put("late", "early-on", { enabled: true });
  await put("late", "early-off", { enabled: true });
  await put("late", "early-off", { enabled: false });
  await register("late", true);
  expect(await told("early-on", 1)).toEqual([{ team: "early-on", version: 1, enabled: true }]);
  await settled("late");
  await register("late", true);
  await put("late", "early-off", { enabled: true });
  expect(await told("early-off", 1)).toEqual([{ team: "early-off", version: 3, enabled: true }]);
  await settled("late");
  expect(toldOf("early-on")).toHaveLength(1);
});

test("what changed while an earlier version without handlers was back is told when the newer one is", async () => {
  await register("rolled-back", true);
  await put("rolled-back", "leaver", { enabled: true });
  await told("leaver", 1);
  await settled("rolled-back");
  await register("rolled-back", false);
  await put("rolled-back", "leaver", { enabled: false });
  await register("rolled-back", true);
  expect((await told("leaver", 2))[1]).toEqual({ team: "leaver", version: 2, enabled: false });
  await settled("rolled-back");
});

test("a plugin that knows a later change than a restored manager is told the present one under a version after that", async () => {
  await register("older", true);
  plugin.reply = ({ body }) => ({ body: { status: "done", version: Math.max(body.version, 7) } });
  await put("older", "blue", { enabled: true });
  await told("blue", 2);
  await settled("older");
  expect(toldOf("blue").map(({ body }) => body)).toEqual([
    { team: "blue", version: 1, enabled: true },
    { team: "blue", version: 8, enabled: true },
  ]);
  plugin.reply = knows;
});
