import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { TEAM_PLUGINS_MAX, type TeamRoute, teamPluginViewSchema } from "@plugboard/contract";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
let red: string;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
  red = await manager.mint("team", "red");
  await manager.call("PUT", "/v1/plugins/plain", registration({ name: "Plain" }));
  await manager.call("PUT", "/v1/plugins/inline", registration({ sync: { deadlineMs: 500 } }));
});
afterAll(() => ground.clear());

const enable = (team: string, plugin: string, body: unknown, token?: string) =>
  manager.call("PUT", `/v1/teams/${team}/plugins/${plugin}`, body, token);

async function teamRoute(team: string) {
  return (await manager.call("POST", "/internal/routes", { teams: [team] })).body.teams[team];
}

describe("a team's view", () => {
  test("holds what the contract says and neither url, instances nor events", async () => {
    const { status, body } = await manager.call("GET", "/v1/teams/red/plugins", undefined, red);
    expect([status, body.next]).toEqual([200, null]);
    const plain = body.items.find(({ id }: { id: string }) => id === "plain");
    expect(plain).toEqual({
      id: "plain",
      name: "Plain",
      description: "A plugin of the tests",
      status: "down",
      enabled: false,
      forms: null,
      filter: null,
      mode: "async",
      onFailure: "open",
      settings: { state: "not-required", values: {}, reasons: [], version: 0 },
      settingsSchema: { type: "object" },
      actions: [],
    });
    expect(teamPluginViewSchema.strict().safeParse(plain).success).toBe(true);
  });

  test("pages", async () => {
    const first = (await manager.call("GET", "/v1/teams/red/plugins?limit=1", undefined, red)).body;
    const second = (await manager.call("GET", `/v1/teams/red/plugins?limit=1&after=${first.next}`, undefined, red))
      .body;
    expect([first.items[0].id, second.items[0].id]).toEqual(["inline", "plain"]);
  });

  test("of an unknown plugin is 404", async () => {
    const answer = await manager.call("GET", "/v1/teams/red/plugins/nobody", undefined, red);
    expect([answer.status, answer.body.code]).toEqual([404, "not-found"]);
  });
});

describe("enabling", () => {
  test("narrows to forms and a filter, keeps what is left out, and clears what is null", async () => {
    const narrowed = await enable(
      "red",
      "plain",
      { enabled: true, forms: ["f1", "f1", "f2"], filter: "answers.age > 17" },
      red,
    );
    expect(narrowed.body).toMatchObject({ enabled: true, forms: ["f1", "f2"], filter: "answers.age > 17" });
    const kept = await enable("red", "plain", { enabled: true }, red);
    expect(kept.body).toMatchObject({ forms: ["f1", "f2"], filter: "answers.age > 17" });
    const cleared = await enable("red", "plain", { enabled: true, forms: null, filter: null }, red);
    expect(cleared.body).toMatchObject({ forms: null, filter: null, routing: "current" });
    expect((await teamRoute("red")).plugins).toEqual([
      { id: "plain", ready: true, forms: null, filter: null, mode: "async", onFailure: "open", quota: null },
    ]);
  });

  test("the same again makes no new version; disabling takes the route away and keeps the row", async () => {
    await enable("calm", "plain", { enabled: true, forms: ["f1"] });
    await enable("calm", "plain", { enabled: true, forms: ["f1"] });
    expect((await teamRoute("calm")).v).toBe(1);
    await enable("calm", "plain", { enabled: false });
    expect(await teamRoute("calm")).toEqual({ v: 2, plugins: [] });
    expect((await enable("calm", "plain", { enabled: true })).body.forms).toEqual(["f1"]);
  });

  test("disabling what was never enabled publishes nothing", async () => {
    expect((await enable("idle", "plain", { enabled: false })).status).toBe(200);
    expect(await teamRoute("idle")).toBeNull();
  });

  test("a wrong filter is refused with its place", async () => {
    const answer = await enable("red", "plain", { enabled: true, filter: "answers.age >\n  > 3" }, red);
    expect([answer.status, answer.body.code]).toEqual([422, "invalid-filter"]);
    expect(answer.body.problems).toEqual([
      { path: "/filter", message: expect.stringMatching(/\(line 2, column \d+\)$/) },
    ]);
    expect((await manager.call("GET", "/v1/teams/red/plugins/plain", undefined, red)).body.filter).toBeNull();
  });

  test.each([
    ["no decision", {}, "/enabled"],
    ["a decision in words", { enabled: "yes" }, "/enabled"],
    ["an empty list of forms", { enabled: true, forms: [] }, "/forms"],
    ["a form without a name", { enabled: true, forms: [""] }, "/forms/0"],
    ["a form with U+0000", { enabled: true, forms: ["\u0000"] }, "/forms/0"],
    ["an unknown mode", { enabled: true, mode: "later" }, "/mode"],
    ["a mode that the plugin does not have", { enabled: true, mode: "both" }, "/mode"],
    ["an unknown field", { enabled: true, nonsense: 1 }, ""],
    ["a filter beyond the bound", { enabled: true, filter: `true${" ".repeat(2_000)}` }, "/filter"],
  ])("%s is refused", async (_what, body, path) => {
    const answer = await enable("red", "plain", body, red);
    expect([answer.status, answer.body.problems.map((problem: { path: string }) => problem.path)]).toEqual([
      400,
      [path],
    ]);
  });

  test("all problems are told at once", async () => {
    const answer = await enable("red", "plain", { enabled: 1, forms: [""], mode: "x", onFailure: "y" }, red);
    expect(answer.body.problems).toHaveLength(4);
  });

  test("a sync plugin may be enabled inside the submit, failing open or closed", async () => {
    const answer = await enable("red", "inline", { enabled: true, mode: "both", onFailure: "closed" }, red);
    expect(answer.body).toMatchObject({ mode: "both", onFailure: "closed" });
    await enable("red", "inline", { enabled: false }, red);
  });

  test("an unknown plugin is 404, a team that is no id 400", async () => {
    expect((await enable("red", "nobody", { enabled: true }, red)).status).toBe(404);
    expect((await enable("R%20D", "plain", { enabled: true })).status).toBe(400);
  });

  test("more plugins than an entry may hold are refused", async () => {
    await ground.query(
      `INSERT INTO plugins (id, name, description, url, version, settings_schema, accepts_empty, actions, status)
       SELECT 'many-' || n, 'Many', '', 'http://127.0.0.1:9', '1', '{}', true, '[]', 'enabled'
       FROM generate_series(1, $1) AS n`,
      [TEAM_PLUGINS_MAX],
    );
    await ground.query("INSERT INTO teams (id) VALUES ('greedy')");
    await ground.query(
      `INSERT INTO team_plugins (team_id, plugin_id, enabled, mode, on_failure, settings_state, reasons, ready)
       SELECT 'greedy', 'many-' || n, true, 'async', 'open', 'not-required', '[]', true FROM generate_series(1, $1) AS n`,
      [TEAM_PLUGINS_MAX],
    );
    const answer = await enable("greedy", "plain", { enabled: true });
    expect([answer.status, answer.body.code]).toEqual([409, "conflict"]);
    await enable("greedy", "many-1", { enabled: false });
    expect((await enable("greedy", "plain", { enabled: true })).status).toBe(200);
    expect((await teamRoute("greedy")).plugins).toHaveLength(TEAM_PLUGINS_MAX);
  });
});

describe("a quota", () => {
  test("stands in every route of the team until it is lifted", async () => {
    const quota = { eventsPerSecond: 2.5, burst: 10 };
    await enable("busy", "plain", { enabled: true });
    const answer = await manager.call("PUT", "/v1/teams/busy/quota", { quota });
    expect([answer.status, answer.body]).toEqual([200, { team: "busy", quota, routing: "current" }]);
    await enable("busy", "inline", { enabled: true });
    expect((await teamRoute("busy")).plugins.map((route: { quota: unknown }) => route.quota)).toEqual([quota, quota]);
    await manager.call("PUT", "/v1/teams/busy/quota", { quota: null });
    expect((await teamRoute("busy")).plugins.map((route: { quota: unknown }) => route.quota)).toEqual([null, null]);
  });

  test("of one plugin holds there in place of the team's, whichever was set first, until it is lifted", async () => {
    const [ofTeam, own] = [
      { eventsPerSecond: 2, burst: 10 },
      { eventsPerSecond: 50.5, burst: 100 },
    ];
    const quotas = async () =>
      Object.fromEntries((await teamRoute("split")).plugins.map(({ id, quota }: TeamRoute) => [id, quota]));
    const limit = (quota: object | null) => manager.call("PUT", "/v1/teams/split/plugins/plain/quota", { quota });
    const answer = await limit(own);
    expect([answer.status, answer.body]).toEqual([
      200,
      { team: "split", plugin: "plain", quota: own, routing: "current" },
    ]);
    await enable("split", "plain", { enabled: true });
    await enable("split", "inline", { enabled: true });
    expect(await quotas()).toEqual({ plain: own, inline: null });
    await manager.call("PUT", "/v1/teams/split/quota", { quota: ofTeam });
    expect(await quotas()).toEqual({ plain: own, inline: ofTeam });
    await enable("split", "plain", { enabled: true, forms: ["f1"] });
    expect(await quotas()).toEqual({ plain: own, inline: ofTeam });
    expect((await limit(null)).body).toMatchObject({ quota: null, routing: "current" });
    expect(await quotas()).toEqual({ plain: ofTeam, inline: ofTeam });
  });

  test("of one plugin is told by a trial, and lifting one that was never set leaves nothing behind", async () => {
    await enable("tried", "plain", { enabled: true });
    await manager.call("PUT", "/v1/teams/tried/plugins/plain/quota", { quota: { eventsPerSecond: 3, burst: 4 } });
    const event = { id: "e1", team_id: "tried", event: "onResponse", form_id: "f1", data: {} };
    const trial = await manager.call("POST", "/v1/teams/tried/plugins/plain/try", { event });
    expect(trial.body.quota).toEqual({ eventsPerSecond: 3, burst: 4 });
    expect((await manager.call("PUT", "/v1/teams/nobody/plugins/plain/quota", { quota: null })).status).toBe(200);
    expect(await ground.query("SELECT 1 FROM teams WHERE id = 'nobody'")).toEqual([]);
    const unknown = await manager.call("PUT", "/v1/teams/tried/plugins/none/quota", { quota: null });
    expect([unknown.status, unknown.body.code]).toEqual([404, "not-found"]);
  });

  test("is the admin's to set, and must be one", async () => {
    expect((await manager.call("PUT", "/v1/teams/red/plugins/plain/quota", { quota: null }, red)).status).toBe(403);
    expect((await manager.call("PUT", "/v1/teams/red/quota", { quota: null }, red)).status).toBe(403);
    const answer = await manager.call("PUT", "/v1/teams/red/quota", { quota: { eventsPerSecond: 0, burst: 1.5 } });
    expect([answer.status, answer.body.problems.length]).toEqual([400, 2]);
    const giant = await manager.call("PUT", "/v1/teams/red/quota", { quota: { eventsPerSecond: 1, burst: 3e9 } });
    expect(giant.body).toMatchObject({ status: 400, problems: [{ path: "/quota/burst" }] });
  });
});

describe("every version", () => {
  test("of an entry is kept, the earlier ones marked with when they were superseded", async () => {
    await enable("past", "plain", { enabled: true });
    await enable("past", "plain", { enabled: true, forms: ["f1"] });
    await enable("past", "plain", { enabled: false });
    const rows = await ground.query(
      "SELECT v, entry, superseded_at FROM routing_history WHERE key = 'team:past' ORDER BY v",
    );
    expect(
      rows.map(({ v, entry }) => [v, entry.v, entry.plugins.map((route: { forms: unknown }) => route.forms)]),
    ).toEqual([
      [1, 1, [null]],
      [2, 2, [["f1"]]],
      [3, 3, []],
    ]);
    expect(rows.map(({ superseded_at: at }) => at === null)).toEqual([false, false, true]);
  });
});
