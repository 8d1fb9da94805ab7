import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { processResponseSchema } from "@plugboard/contract";
import { appliesEverything, type FakePlugin, type Reply, startFakePlugin } from "../fake-plugin.ts";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
let one: FakePlugin;
let two: FakePlugin;
let red: string;
let core: string;

const ACTION = {
  name: "export",
  description: "Exports",
  input: {
    type: "object",
    properties: { from: { type: "string", format: "date" }, rows: { type: "integer" } },
    required: ["from"],
    additionalProperties: false,
  },
};

beforeAll(async () => {
  ground = await createGround();
  [manager, one, two] = await Promise.all([ground.start(), startFakePlugin(), startFakePlugin()]);
  [red, core] = await Promise.all([manager.mint("team", "red"), manager.mint("core", "collect")]);
  const actions = [ACTION, { name: "plain", description: "" }];
  for (const [id, plugin] of [["one", one] as const, ["two", two] as const]) {
    const body = registration({ url: `${plugin.url}/`, actions, sync: { deadlineMs: 300 } });
    plugin.secret = (await manager.call("PUT", `/v1/plugins/${id}`, body)).body.webhookSecret;
  }
});
afterAll(async () => {
  await ground.clear();
  await Promise.all([one.close(), two.close()]);
});

const enable = (team: string, plugin: string, body: object = {}) =>
  manager.call("PUT", `/v1/teams/${team}/plugins/${plugin}`, { enabled: true, ...body });
const act = (body?: unknown, name = "export", plugin = "one") =>
  manager.call("POST", `/v1/teams/red/plugins/${plugin}/actions/${name}`, body, red);

describe("an action", () => {
  test("is refused while the plugin is not enabled", async () => {
    const answer = await act({ from: "2026-01-01" });
    expect([answer.status, answer.body.code]).toEqual([409, "not-enabled"]);
    expect(one.calls).toEqual([]);
  });

  test("reaches the plugin signed, without any lease, and its output comes back", async () => {
    await enable("red", "one");
    const answer = await act({ from: "2026-01-01" });
    expect([answer.status, answer.body]).toEqual([200, { output: { from: "2026-01-01" } }]);
    expect(one.calls).toEqual([
      { path: "/actions/export", body: { team: "red", input: { from: "2026-01-01" } }, signed: true },
    ]);
    expect((await act(undefined, "plain")).body).toEqual({ output: {} });
  });

  test("with input that does not fit is refused with all problems and never sent", async () => {
    const calls = one.calls.length;
    const answer = await act({ rows: "many", other: 1 });
    expect([answer.status, answer.body.code]).toEqual([422, "invalid-action-input"]);
    expect(answer.body.problems.map(({ path }: { path: string }) => path).toSorted()).toEqual([
      "/from",
      "/other",
      "/rows",
    ]);
    expect(one.calls).toHaveLength(calls);
  });

  test("that nobody has is 404", async () => {
    expect((await act({}, "nothing")).status).toBe(404);
    expect((await act({}, "export", "nobody")).status).toBe(404);
    expect((await act({}, "NOT-A-NAME")).status).toBe(400);
  });

  const problem = (status: number, code: string): Reply => ({
    status,
    body: { code, detail: "as the plugin says", problems: [{ path: "/from", message: "too early" }] },
  });
  test.each<[string, Reply, number, string]>([
    ["a connection cut off", "hang-up", 503, "plugin-down"],
    ["an error", { status: 500 }, 502, "plugin-failed"],
    ["a redirect", { status: 302 }, 502, "plugin-failed"],
    ["no JSON", { raw: "<html>" }, 502, "plugin-failed"],
    ["no output", { raw: "[]" }, 502, "plugin-failed"],
    ["more than the bound", { body: { output: "x".repeat(1_100_000) } }, 502, "plugin-failed"],
    ["its own refusal of the input", problem(400, "invalid-input"), 422, "invalid-action-input"],
    ["that it has no settings", problem(409, "not-configured"), 409, "not-configured"],
    ["that it is stopping", problem(503, "unavailable"), 503, "plugin-down"],
    ["that it was late", problem(504, "plugin-late"), 504, "plugin-late"],
    ["a problem of its own", problem(500, "internal"), 502, "plugin-failed"],
  ])("answered with %s is told as such", async (_what, reply, status, code) => {
    one.reply = () => reply;
    const answer = await act({ from: "2026-01-01" });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    one.reply = appliesEverything;
  });

  test("answered with more levels than anybody can write is the plugin's failure", async () => {
    one.reply = () => ({ raw: `{"outcome":"passed","output":${"[".repeat(400_000)}${"]".repeat(400_000)}}` });
    const answer = await act({ from: "2026-01-01" });
    one.reply = appliesEverything;
    expect([answer.status, answer.body.code]).toEqual([502, "plugin-failed"]);
    expect(answer.body.detail).toContain("nested deeper than");
  });

  test("that takes too long is 504", async () => {
    one.reply = () => "never";
    const answer = await act({ from: "2026-01-01" });
    expect([answer.status, answer.body.code]).toEqual([504, "plugin-late"]);
    one.reply = appliesEverything;
  });

  test("of a plugin that is not there is 503, and so it is in maintenance", async () => {
    await manager.call("PUT", "/v1/plugins/away", registration({ actions: [ACTION] }));
    await enable("red", "away");
    expect((await act({ from: "2026-01-01" }, "export", "away")).body.code).toBe("plugin-down");
    await manager.call("PATCH", "/v1/plugins/one", { status: "disabled" });
    expect((await act({ from: "2026-01-01" })).body.code).toBe("plugin-down");
    await manager.call("PATCH", "/v1/plugins/one", { status: "enabled" });
  });
});

describe("the sync path", () => {
  let serial = 0;
  const event = (team: string, change: object = {}) => ({
    id: `event-${serial++}`,
    team_id: team,
    event: "onResponse",
    form_id: "f1",
    response_id: "r1",
    data: { answers: { age: 40 } },
    ...change,
  });
  const process = async (team: string, change?: object) => {
    const { status, body } = await manager.call("POST", "/v1/process", event(team, change), core);
    expect(status).toBe(200);
    return processResponseSchema.parse(body);
  };
  /** L1 of the table is a tenth of a second behind at most; the first submit after a change waits for it. */
  const processed = (team: string, outcomes: readonly string[], change?: object) =>
    eventually(async () => {
      const answer = await process(team, change);
      return JSON.stringify(answer.results.map(({ outcome }) => outcome)) === JSON.stringify(outcomes) && answer;
    }, `${team} gets ${outcomes.join()}`);
  const outcome = (name: string, more: object = {}): Reply => ({ body: { outcome: name, flags: [], ...more } });

  test("a team that nobody knows is accepted without any result", async () => {
    expect(await process("nobody")).toEqual({ accepted: true, results: [] });
  });

  test("asks every sync plugin of the team, signed, and adds their results in order", async () => {
    await enable("blue", "one", { mode: "sync" });
    await enable("blue", "two", { mode: "both" });
    const flags = [{ rule: "savings", message: "more than income", fields: ["savings"] }];
    one.reply = () => outcome("flagged", { flags });
    two.reply = () => outcome("passed", { output: { score: 7 } });
    const before = one.calls.length;
    const answer = await processed("blue", ["flagged", "passed"]);
    expect(answer).toEqual({
      accepted: true,
      results: [
        { plugin: "one", outcome: "flagged", flags, error: null, durationMs: expect.any(Number) },
        {
          plugin: "two",
          outcome: "passed",
          flags: [],
          output: { score: 7 },
          error: null,
          durationMs: expect.any(Number),
        },
      ],
    });
    expect(one.calls[before]).toMatchObject({
      path: "/execute",
      signed: true,
      body: { event: { team_id: "blue", event: "onResponse", data: { answers: { age: 40 } } } },
    });
  });

  test("leaves out plugins that are async, of other forms or events, filtered out, or switched off", async () => {
    await enable("lime", "one", { mode: "sync", forms: ["f2"] });
    await enable("lime", "two", { mode: "sync", filter: "answers.age > 50" });
    expect((await process("lime")).results).toEqual([]);
    expect((await processed("lime", ["passed"], { data: { answers: { age: 60 } } })).results[0]?.plugin).toBe("two");
    expect((await process("lime", { event: "onFormCreation" })).results).toEqual([]);
    await enable("lime", "two", { mode: "async" });
    await processed("lime", [], { data: { answers: { age: 60 } } });
  });

  test("a plugin that rejects decides, whatever onFailure says", async () => {
    one.reply = () => outcome("rejected");
    expect((await processed("blue", ["rejected", "passed"])).accepted).toBe(false);
  });

  test.each<[string, Reply, string]>([
    ["an error", { status: 500 }, "failed"],
    ["no verdict", { raw: "[]" }, "failed"],
    ["a connection cut off", "hang-up", "unavailable"],
    ["nothing in time", "never", "timed-out"],
  ])("%s is accepted when the team fails open and refused when it fails closed", async (_what, reply, expected) => {
    one.reply = () => reply;
    await enable("open", "one", { mode: "sync", onFailure: "open" });
    await enable("closed", "one", { mode: "sync", onFailure: "closed" });
    const open = await processed("open", [expected]);
    const closed = await processed("closed", [expected]);
    expect([open.accepted, closed.accepted]).toEqual([true, false]);
    expect(open.results[0]?.error).toEqual(expect.any(String));
    one.reply = () => outcome("passed");
  });

  test("maintenance leaves the plugin out, unless the team fails closed and the event concerns it", async () => {
    await manager.call("PATCH", "/v1/plugins/one", { status: "disabled" });
    await processed("open", []);
    const closed = await processed("closed", ["unavailable"]);
    expect(closed.accepted).toBe(false);
    await enable("closed", "one", { mode: "sync", onFailure: "closed", filter: "answers.age > 50" });
    expect((await processed("closed", [])).accepted).toBe(true);
    await manager.call("PATCH", "/v1/plugins/one", { status: "enabled" });
    await enable("closed", "one", { mode: "sync", onFailure: "closed", filter: null });
    await processed("closed", ["passed"]);
  });

  test("a filter that cannot be evaluated counts as a failure", async () => {
    await enable("odd", "one", { mode: "sync", onFailure: "closed", filter: "answers.missing > 1" });
    const answer = await processed("odd", ["failed"]);
    expect([answer.accepted, answer.results[0]?.error]).toEqual([false, expect.stringContaining("missing")]);
  });

  test("a body that is no event is refused with every problem, and only a core may send it", async () => {
    const answer = await manager.call("POST", "/v1/process", { id: "", team_id: "RED", event: "on it", data: 1 }, core);
    expect([answer.status, answer.body.problems.length]).toEqual([400, 4]);
    expect((await manager.call("POST", "/v1/process", event("red"), red)).status).toBe(403);
  });
});
