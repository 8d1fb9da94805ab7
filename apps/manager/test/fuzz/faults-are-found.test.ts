import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { testEnvironment } from "@plugboard/stack";
import { Redis } from "ioredis";
import { AnswerCheck } from "../answer-check.ts";
import { appliesEverything } from "../fake-plugin.ts";
import { answerFaults, OWN_SECRET, OWN_TEXT, ownText, SECRET_MARK, withOwnText } from "./answer-faults.ts";
import { FuzzGround } from "./fuzz-ground.ts";
import type { FuzzRequest } from "./request-arbitrary.ts";
import { changeBetween } from "./stored-state.ts";

/** A check that never finds anything proves nothing: every kind of fault is planted here, and must be found. */
let fuzz: FuzzGround;
let check: AnswerCheck;
let redis: Redis;
const limited = new Set<string>();

beforeAll(async () => {
  fuzz = await FuzzGround.start();
  check = new AnswerCheck(fuzz.document);
  redis = new Redis(testEnvironment().redisUrl);
  await fuzz.prepare();
  await fuzz.state.settle(fuzz.plugin.url);
});
afterAll(async () => {
  redis?.disconnect();
  await fuzz?.clear();
});

const request: FuzzRequest = {
  operationId: "readTeamPlugin",
  actor: "team:beta",
  method: "GET",
  path: "/v1/teams/beta/plugins/one",
  headers: {},
  body: undefined,
};
const pairs = [{ team: "alpha", plugin: "one" }];
const answerOf = async (actor = request.actor) => {
  const headers = { authorization: `Bearer ${fuzz.tokens.get(actor)}` };
  const answer = await fetch(`${fuzz.manager.url}${request.path}`, { headers });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};

describe("an answer", () => {
  test("that is right has no fault", async () => {
    expect(answerFaults(request, await answerOf(), check, pairs)).toEqual([]);
  });

  test("that says the manager failed is one, and so is none at all", async () => {
    const right = await answerOf();
    const text = JSON.stringify({ type: "x", title: "x", status: 500, code: "internal", next: "x", instance: "x" });
    expect(answerFaults(request, { ...right, status: 500, text }, check, pairs)).toContain(`500: ${text}`);
    const none = { status: 0, headers: new Headers(), text: "reset" };
    expect(answerFaults(request, none, check, pairs)).toEqual(["0: reset"]);
  });

  test("that says a plugin is down is one, except while the plugin is in maintenance", async () => {
    const action = { ...request, operationId: "runAction", method: "POST", path: `${request.path}/actions/echo` };
    const faults = async () => {
      const headers = { authorization: `Bearer ${fuzz.tokens.get("team:beta")}`, "content-type": "application/json" };
      const answer = await fetch(`${fuzz.manager.url}${action.path}`, { method: "POST", headers, body: "{}" });
      return answerFaults(
        action,
        { status: answer.status, headers: answer.headers, text: await answer.text() },
        check,
        [],
      );
    };
    expect(await faults()).toEqual([]);
    fuzz.plugin.reply = () => "hang-up";
    expect(await faults()).toEqual([expect.stringContaining('503: {"type":"urn:plugboard:error:plugin-down"')]);
    fuzz.plugin.reply = appliesEverything;
    await fuzz.manager.call("PATCH", "/v1/plugins/one", { status: "disabled" });
    expect(await faults()).toEqual([]);
    await fuzz.manager.call("PATCH", "/v1/plugins/one", { status: "enabled" });
    await fuzz.state.settle(fuzz.plugin.url);
  });

  test.each<[string, (body: Record<string, unknown>) => void]>([
    ["lacks a field", (body) => delete body.enabled],
    ["has a field of another type", (body) => Object.assign(body, { enabled: "yes" })],
    ["has a field that nobody describes", (body) => Object.assign(body, { url: "http://inside" })],
  ])("that %s is outside the document", async (_what, change) => {
    const right = await answerOf();
    const body = JSON.parse(right.text);
    change(body);
    expect(answerFaults(request, { ...right, text: JSON.stringify(body) }, check, pairs)).toHaveLength(1);
  });

  test("with another status, type or without its headers is outside the document", async () => {
    const right = await answerOf();
    expect(answerFaults(request, { ...right, status: 204 }, check, pairs)).toHaveLength(1);
    const headers = new Headers([["content-type", "text/html"]]);
    expect(answerFaults(request, { ...right, headers }, check, pairs)).toHaveLength(2);
  });

  test("with another team's text or any secret is told", async () => {
    const right = await answerOf();
    const other = right.text.replaceAll(ownText("beta", "one"), ownText("alpha", "one"));
    expect(other).not.toBe(right.text);
    const leaked = "it holds text of team alpha for plugin one";
    expect(answerFaults(request, { ...right, text: other }, check, pairs)).toEqual([leaked]);
    for (const actor of ["nobody", "forged", "core", "plugin:two"])
      expect(answerFaults({ ...request, actor }, { ...right, text: other }, check, pairs)).toEqual([leaked]);
    for (const actor of ["admin", "team:alpha", "plugin:one"])
      expect(answerFaults({ ...request, actor }, { ...right, text: other }, check, pairs)).toEqual([]);
    const secret = right.text.replaceAll(ownText("beta", "one"), `${SECRET_MARK}beta`);
    expect(answerFaults(request, { ...right, text: secret }, check, pairs)).toEqual(["it holds a secret in clear"]);
  });

  test("is to a request that names its own team and plugin", () => {
    const path = "/v1/teams/beta/plugins/two/config";
    const body = JSON.stringify({ note: OWN_TEXT, apiKey: OWN_SECRET });
    expect(JSON.parse(withOwnText({ ...request, path, body }).body ?? "")).toEqual({
      note: ownText("beta", "two"),
      apiKey: `${SECRET_MARK}beta`,
    });
  });
});

describe("the stores", () => {
  const problems = () => fuzz.state.problems(limited, SECRET_MARK);

  test("have no fault after requests that were taken", async () => {
    expect(await problems()).toEqual([]);
  });

  const alphaOne = "team_id = 'alpha' AND plugin_id = 'one'";
  test.each([
    ["settings without a version", `UPDATE team_plugins SET settings_version = 0 WHERE ${alphaOne}`],
    [
      "a secret in clear in team_plugins",
      `UPDATE team_plugins SET settings = '{"apiKey":"secret-text-of-alpha"}' WHERE ${alphaOne}`,
    ],
    ["a team that nobody decided anything about", "INSERT INTO teams (id) VALUES ('empty')"],
    ["half a quota", "UPDATE teams SET quota_burst = 5 WHERE id = 'alpha'"],
    ["an entry that is not its latest version", "UPDATE routing_entries SET v = v + 1 WHERE key = 'team:alpha'"],
    [
      "a version that is neither the latest nor superseded",
      "INSERT INTO routing_history (key, v, entry) SELECT key, v + 1, entry FROM routing_entries WHERE key = 'team:alpha'",
    ],
    ["a gap in the versions", "DELETE FROM routing_history WHERE key = 'team:alpha' AND v = 1"],
    ["an entry of nothing", `INSERT INTO routing_entries (key, v, entry) VALUES ('team:ghost', 1, '{"plugins":[]}')`],
    ["a plugin without its entry", "UPDATE plugins SET status = 'disabled' WHERE id = 'one'"],
    ["a team's entry that is not what the team decided", `UPDATE team_plugins SET enabled = false WHERE ${alphaOne}`],
    ["a team's entry that is not what the team decided", `UPDATE team_plugins SET filter = 'true' WHERE ${alphaOne}`],
    [
      "settings on their way of a version that is not stored",
      "INSERT INTO initialize_outbox (team_id, plugin_id, version, attempts) VALUES ('alpha', 'one', 99, 1)",
    ],
    ["settings that nobody sends", `UPDATE team_plugins SET settings_state = 'pending' WHERE ${alphaOne}`],
    [
      "topics that go although their plugin is here",
      "INSERT INTO topic_deletions (plugin_id, due_at) VALUES ('one', now() + interval '1 hour')",
    ],
    ["Redis has {", `UPDATE routing_entries SET entry = '{"plugins":[]}' WHERE key = 'team:alpha'`],
    ["Postgres thinks at", "UPDATE routing_state SET seq = seq + 1"],
  ])("that hold %s are told, and the state is seen to differ", async (what, sql) => {
    const before = await fuzz.state.snapshot();
    const { found, after } = await fuzz.state.withFault(sql, async () => ({
      found: await problems(),
      after: await fuzz.state.snapshot(),
    }));
    expect(found.join("\n")).toContain(what);
    // What Redis is thought to be at is no state of a request.
    if (!sql.includes("routing_state")) expect(changeBetween(before, after)).not.toEqual([]);
    expect(await problems()).toEqual([]);
    expect(changeBetween(before, await fuzz.state.snapshot())).toEqual([]);
  });

  test("are told to differ when Redis has more, or less", async () => {
    const key = (id: string) => `{${fuzz.ground.namespace}}:team:${id}`;
    await redis.set(key("ghost"), "{}");
    expect(await problems()).toEqual([`Redis has ${key("ghost")}, Postgres has not`]);
    await redis.del(key("ghost"));
    const entry = (await redis.get(key("alpha"))) ?? "";
    await redis.del(key("alpha"));
    expect(await problems()).toEqual([expect.stringContaining("Redis has null for team:alpha")]);
    await redis.set(key("alpha"), entry);
    expect(await problems()).toEqual([]);
  });

  test("are not settled while a change has not been relayed", async () => {
    const outbox = "INSERT INTO routing_outbox (key, v, entry) VALUES ('team:alpha', 1, '{}')";
    await fuzz.state.withFault(outbox, async () => {
      await expect(fuzz.state.settle(fuzz.plugin.url, 50)).rejects.toThrow("still on its way");
    });
  });

  test("limits that were lifted leave a team's row, which is no fault", async () => {
    limited.add("lifted");
    await fuzz.state.withFault("INSERT INTO teams (id) VALUES ('lifted')", async () => {
      expect(await problems()).toEqual([]);
    });
  });
});
