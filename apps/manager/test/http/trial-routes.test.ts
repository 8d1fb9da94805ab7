import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type TrialRequest, type TrialResponse, trialResponseSchema } from "@plugboard/contract";
import { testEnvironment } from "@plugboard/stack";
import { Redis } from "ioredis";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
let red: string;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
  red = await manager.mint("team", "red");
  await manager.call("PUT", "/v1/plugins/plain", registration());
  await manager.call("PUT", "/v1/plugins/inline", registration({ sync: { deadlineMs: 500 } }));
  const needy = { type: "object", required: ["sender"], properties: { sender: { type: "string" } } };
  await manager.call("PUT", "/v1/plugins/needy", registration({ settings: needy }));
  for (const plugin of ["plain", "inline", "needy"]) await enable(plugin, { enabled: true });
});
afterAll(() => ground.clear());

const enable = (plugin: string, body: object) => manager.call("PUT", `/v1/teams/red/plugins/${plugin}`, body);

const SAMPLE = {
  id: "e-1",
  team_id: "red",
  event: "onResponse",
  form_id: "census",
  response_id: "r-1",
  data: { answers: { name: "Amina", age: 31 } },
};

async function tried(plugin: string, body: TrialRequest, token = red): Promise<TrialResponse> {
  const answer = await manager.call("POST", `/v1/teams/red/plugins/${plugin}/try`, body, token);
  expect([answer.status, answer.body]).toEqual([200, trialResponseSchema.strict().parse(answer.body)]);
  return answer.body;
}

const failed = ({ checks }: TrialResponse) =>
  checks.filter(({ result }) => result === "failed").map(({ check }) => check);

describe("trying an event", () => {
  test("that would be routed names its topic, every check and the versions that decided", async () => {
    const answer = await tried("plain", { event: SAMPLE });
    expect(answer).toMatchObject({
      outcome: "routed",
      routed: true,
      reason: null,
      destination: `${ground.topicPrefix}plain`,
      event: { envelope: "flat", teamId: "red", formId: "census", source: "core" },
      filter: null,
      draft: null,
      table: { plugin: 1, readers: "current" },
    });
    expect(answer.explanation).toContain(`plain gets it in the topic ${ground.topicPrefix}plain`);
    expect(answer.checks.map(({ check, result }) => `${check} ${result}`)).toEqual([
      "event passed",
      "team passed",
      "enabled passed",
      "registered passed",
      "subscribed passed",
      "path passed",
      "form passed",
      "settings passed",
      "maintenance passed",
      "filter passed",
    ]);
  });

  const { data, ...attributes } = SAMPLE;
  test.each<[string, TrialRequest, string]>([
    ["a flat event", { event: SAMPLE }, "flat"],
    [
      "a structured CloudEvent",
      { event: { specversion: "1.0", id: "1", source: "c", type: "onResponse", teamid: "red", data } },
      "structured",
    ],
    [
      "a record with headers",
      { record: { headers: { ce_id: "1", ce_source: "c", ce_type: "onResponse", ce_teamid: "red" }, value: data } },
      "binary",
    ],
    ["a record of text", { record: { value: JSON.stringify({ ...attributes, data }) } }, "flat"],
  ])("%s is read as the routers read it", async (_what, body, envelope) => {
    const draft = { filter: "answers.age == 31" };
    expect(await tried("plain", { ...body, draft })).toMatchObject({
      routed: true,
      event: { envelope, teamId: "red" },
    });
  });

  test.each<[string, string, TrialRequest, string, RegExp]>([
    [
      "another team's event",
      "plain",
      { event: { ...SAMPLE, team_id: "blue" } },
      "other-team",
      /belongs to team blue.*put "red" into team_id/,
    ],
    [
      "an event nobody asked for",
      "plain",
      { event: { ...SAMPLE, event: "onFormCreation" } },
      "not-subscribed",
      /does not take events called "onFormCreation"/,
    ],
    ["the other way", "plain", { event: SAMPLE, path: "sync" }, "async-only", /does not answer inside the submit/],
    [
      "a way the team does not use",
      "inline",
      { event: SAMPLE, path: "sync" },
      "async-only",
      /mode "async".*Use mode "both" or "sync"/,
    ],
    [
      "a draft of the other way",
      "inline",
      { event: SAMPLE, draft: { mode: "sync" } },
      "sync-only",
      /With the draft: .*inside the submit only/,
    ],
    [
      "another form",
      "plain",
      { event: SAMPLE, draft: { forms: ["intake"] } },
      "form",
      /"census" is not among those chosen.*intake/,
    ],
    [
      "no form",
      "plain",
      { event: { ...SAMPLE, form_id: null }, draft: { forms: ["intake"] } },
      "form",
      /names no form/,
    ],
    ["no settings", "needy", { event: SAMPLE }, "not-configured", /needs settings before it gets events/],
    [
      "a filter that says no",
      "plain",
      { event: SAMPLE, draft: { filter: "answers.age > 60" } },
      "filter",
      /says no to this event: answers.age > 60/,
    ],
    [
      "a filter that misses an answer",
      "plain",
      { event: SAMPLE, draft: { filter: "answers.agee > 1" } },
      "filter-error",
      /needs answers.agee, which this event does not have. It has: name, age.*has\(answers.agee\) &&/,
    ],
    [
      "a filter that is none",
      "plain",
      { event: SAMPLE, draft: { filter: "answers.age >" } },
      "filter-error",
      /not a valid expression.*line 1, column \d+.*cannot be saved/,
    ],
    [
      "text for a number",
      "plain",
      { event: SAMPLE, draft: { filter: "answers.name > 3" } },
      "filter-error",
      /wrong-type.*does not match/,
    ],
    [
      "a payload that is no JSON",
      "plain",
      {
        record: { headers: { ce_id: "1", ce_source: "c", ce_type: "onResponse", ce_teamid: "red" }, value: "{" },
        draft: { filter: "data.a == 1" },
      },
      "filter-error",
      /payload cannot be read/,
    ],
  ])("%s is explained", async (_what, plugin, body, reason, sentence) => {
    const answer = await tried(plugin, body);
    expect(answer).toMatchObject({ outcome: "not-routed", routed: false, reason, destination: null });
    expect(answer.explanation).toMatch(sentence);
  });

  test.each<[string, TrialRequest, string, string]>([
    ["an event without its team", { event: { ...SAMPLE, team_id: undefined } }, "no-team", "team_id: is missing"],
    ["one without a name", { event: { ...SAMPLE, event: undefined } }, "no-event", "event: is missing"],
    ["a list", { event: [SAMPLE] }, "not-an-object", "the value is JSON but not an object"],
    ["a record that is empty", { record: {} }, "empty", "the record has neither ce_* headers nor a value"],
    ["a record that is no JSON", { record: { value: "id=1" } }, "not-json", "the value is not JSON"],
    [
      "a record with 300 headers",
      { record: { headers: Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`h${n}`, ""])), value: SAMPLE } },
      "too-large",
      "the record has 300 headers",
    ],
    [
      "a value over 1 MiB",
      { event: { ...SAMPLE, data: { text: "x".repeat(1024 * 1024) } } },
      "too-large",
      "the limit is 1048576",
    ],
  ])("%s would be a dead letter, and it says why", async (_what, body, reason, problem) => {
    const answer = await tried("plain", body);
    expect(answer).toMatchObject({
      outcome: "malformed",
      routed: false,
      reason,
      destination: "responses.dlq",
      event: null,
    });
    expect(answer.problems.join()).toContain(problem);
    expect(answer.explanation).toContain("responses.dlq");
    expect(failed(answer)).toEqual(["event"]);
  });

  test("tells all problems of an event that is none", async () => {
    const { problems } = await tried("plain", { event: { id: "", team_id: "R D", event: "1", revision: "x" } });
    expect(problems.map((line) => line.split(":")[0])).toEqual(["id", "event", "team_id", "revision"]);
  });

  test("tells every check that fails, not only the first", async () => {
    const event = { ...SAMPLE, team_id: "blue", event: "onFormCreation" };
    const answer = await tried("needy", { event, draft: { forms: ["x"], mode: "sync", filter: "answers.age > 60" } });
    expect(failed(answer)).toEqual(["team", "subscribed", "path", "form", "settings", "filter"]);
    expect(answer.explanation).toContain("it would still fail: subscribed, path, form, settings, filter");
  });
});

describe("a plugin that is not enabled", () => {
  test("is an answer, and a draft tells what enabling it would do", async () => {
    await manager.call("PUT", "/v1/plugins/off", registration());
    const answer = await tried("off", { event: SAMPLE });
    expect(answer).toMatchObject({ outcome: "not-routed", reason: "disabled", table: { readers: "current" } });
    expect(failed(answer)).toEqual(["enabled"]);
    expect(await tried("off", { event: SAMPLE, draft: { enabled: true } })).toMatchObject({ routed: true });
    expect(await tried("plain", { event: SAMPLE, draft: { enabled: false } })).toMatchObject({ reason: "disabled" });
  });

  test("and one that is unknown is 404; a team that decided nothing yet gets its answer", async () => {
    const unknown = await manager.call("POST", "/v1/teams/red/plugins/nobody/try", { event: SAMPLE }, red);
    expect([unknown.status, unknown.body.code]).toEqual([404, "not-found"]);
    const fresh = await manager.call("POST", "/v1/teams/fresh/plugins/plain/try", { event: SAMPLE });
    expect(fresh.body).toMatchObject({ reason: "other-team", table: { team: null, plugin: 1, readers: "current" } });
  });
});

describe("a draft", () => {
  test("tells why saving it would be refused, and is not saved", async () => {
    const before = (await manager.call("GET", "/v1/teams/red/plugins/plain", undefined, red)).body;
    const answer = await tried("plain", {
      event: SAMPLE,
      draft: { filter: "answers.age >=", mode: "both", forms: ["\u0000"] },
    });
    expect(answer.draft?.problems.map(({ path }) => path).toSorted()).toEqual(["/filter", "/forms/0", "/mode"]);
    expect(answer.filter?.problem).toMatchObject({ reason: "does-not-compile", line: 1 });
    expect((await manager.call("GET", "/v1/teams/red/plugins/plain", undefined, red)).body).toEqual(before);
  });

  test("keeps what it leaves out, and null clears", async () => {
    await enable("inline", { enabled: true, filter: "answers.age > 60" });
    expect(await tried("inline", { event: SAMPLE, draft: { forms: ["census"] } })).toMatchObject({ reason: "filter" });
    expect(await tried("inline", { event: SAMPLE, draft: { filter: null } })).toMatchObject({ routed: true });
    await enable("inline", { enabled: true, filter: null });
  });

  test("marks the place in the filter", async () => {
    const filter = 'event.form == "census" &&\n  data.answers["q-1"] == "yes"';
    const { filter: told } = await tried("plain", { event: SAMPLE, draft: { filter } });
    expect(told?.problem).toMatchObject({
      reason: "missing-answer",
      line: 2,
      column: 3,
      missing: 'data.answers["q-1"]',
      present: ["name", "age"],
      excerpt: '  data.answers["q-1"] == "yes"\n  ^^^^^^^^^^^^^^^^^^^',
    });
  });
});

describe("the readers' table", () => {
  test("is told to be pending while a change is not relayed", async () => {
    const redis = new Redis(testEnvironment().redisUrl);
    const key = `{${ground.namespace}}:team:red`;
    const entry = await redis.get(key);
    const { v } = JSON.parse(entry ?? "{}");
    // What Redis holds between a change's commit and its relay: the version before.
    await redis.set(key, JSON.stringify({ ...JSON.parse(entry ?? "{}"), v: v - 1 }));
    const pending = await tried("plain", { event: SAMPLE });
    expect(pending).toMatchObject({ routed: true, table: { team: v, readers: "pending" } });
    expect(pending.explanation).toContain("not yet relayed");
    await redis.set(key, entry ?? "");
    expect((await tried("plain", { event: SAMPLE })).table.readers).toBe("current");
    redis.disconnect();
  });

  test("is unknown without Redis, and the answer is given all the same", async () => {
    const alone = await ground.start({ REDIS_URL: "redis://127.0.0.1:1" });
    const answer = await alone.call("POST", "/v1/teams/red/plugins/plain/try", { event: SAMPLE });
    expect(answer.body).toMatchObject({ routed: true, table: { readers: "unknown" } });
    expect((await alone.call("GET", "/v1/routing-table")).body).toMatchObject({ redis: null, agrees: false });
    const rebuild = await alone.call("POST", "/v1/routing-table/rebuild");
    expect([rebuild.status, rebuild.body.code]).toEqual([503, "unavailable"]);
    await alone.stop();
  });

  test("is seen as a whole, and rebuilt under a new epoch, by an admin only", async () => {
    const { body: before } = await manager.call("GET", "/v1/routing-table");
    expect(before).toMatchObject({ agrees: true, waiting: { changes: 0 } });
    expect(before.redis).toEqual(before.stored);
    const rebuilt = await manager.call("POST", "/v1/routing-table/rebuild");
    expect([rebuilt.status, rebuilt.body.entries]).toEqual([200, 5]);
    const { body: after } = await manager.call("GET", "/v1/routing-table");
    expect(after).toMatchObject({ agrees: true, stored: { epoch: rebuilt.body.epoch } });
    expect(rebuilt.body.epoch).not.toBe(before.stored.epoch);
    expect((await manager.call("POST", "/v1/routing-table/rebuild", undefined, red)).status).toBe(403);
    expect((await manager.call("GET", "/v1/routing-table", undefined, red)).status).toBe(403);
  });
});

describe("a request to try", () => {
  test.each<[string, unknown, string]>([
    ["nothing to try", {}, 'needs either "event" or "record"'],
    ["two things at once", { event: SAMPLE, record: { value: SAMPLE } }, 'needs either "event" or "record"'],
    ["an unknown field", { event: SAMPLE, filter: "true" }, "filter"],
    ["an unknown path", { event: SAMPLE, path: "fast" }, "path"],
    ["a list", [SAMPLE], ""],
    ["a filter over the limit", { event: SAMPLE, draft: { filter: "x".repeat(2_001) } }, "/draft/filter"],
  ])("with %s is 400", async (_what, body, told) => {
    const answer = await manager.call("POST", "/v1/teams/red/plugins/plain/try", body, red);
    expect([answer.status, answer.body.code]).toEqual([400, "invalid-input"]);
    expect(JSON.stringify(answer.body.problems).replaceAll("\\", "")).toContain(told);
  });

  test("is a team's own, and bounded", async () => {
    const blue = await manager.mint("team", "blue");
    const core = await manager.mint("core", "core");
    for (const token of [blue, core])
      expect((await manager.call("POST", "/v1/teams/red/plugins/plain/try", { event: SAMPLE }, token)).status).toBe(
        403,
      );
    const huge = { event: { ...SAMPLE, data: "x".repeat(2 * 1024 * 1024) } };
    expect((await manager.call("POST", "/v1/teams/red/plugins/plain/try", huge, red)).status).toBe(413);
  });
});
