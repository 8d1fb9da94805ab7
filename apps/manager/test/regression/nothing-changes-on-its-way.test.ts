import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type FakePlugin, startFakePlugin } from "../fake-plugin.ts";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

/** What a caller sends is passed on as it was sent, or refused: never as something else. */
let ground: TestGround;
let manager: TestManager;
let plugin: FakePlugin;
let core: string;

beforeAll(async () => {
  [ground, plugin] = await Promise.all([createGround(), startFakePlugin()]);
  manager = await ground.start();
  core = await manager.mint("core", "collect");
  const body = registration({ url: plugin.url, actions: [{ name: "echo" }], sync: { deadlineMs: 5_000 } });
  await manager.call("PUT", "/v1/plugins/passed-to", body);
  await manager.call("PUT", "/v1/teams/red/plugins/passed-to", { enabled: true, mode: "both" });
});
beforeEach(() => void plugin.calls.splice(0));
afterAll(async () => {
  await plugin.close();
  await ground.clear();
});

const act = (body: string) => manager.call("POST", "/v1/teams/red/plugins/passed-to/actions/echo", body);
const submit = (data: string) =>
  manager.call("POST", "/v1/process", `{"id":"e","team_id":"red","event":"onResponse","data":${data}}`, core);

describe("a number that no double can hold", () => {
  test.each(["1e999", "-1e999"])("%s is refused, for it would arrive as null", async (number) => {
    const refused = [400, [{ path: "/a/0", message: "is a number out of range" }]];
    const action = await act(`{"a":[${number}]}`);
    expect([action.status, action.body.problems]).toEqual(refused);
    const submission = await submit(`{"answers":{"a":${number}}}`);
    expect([submission.status, submission.body.problems[0].path]).toEqual([400, "/data/answers/a"]);
    expect(plugin.calls).toEqual([]);
  });
});

test.each([
  ["half of a surrogate pair", '{"a":"\\ud83d"}', "\ud83d"],
  ["the character U+0000", '{"a":"x\\u0000y"}', "x\u0000y"],
  ["the largest double", '{"a":1.7976931348623157e308}', Number.MAX_VALUE],
  ["the smallest", '{"a":5e-324}', Number.MIN_VALUE],
])("%s reaches the plugin as it is", async (_what, text, value) => {
  const action = await act(text);
  expect([action.status, action.body.output]).toEqual([200, { a: value }]);
  expect((await submit(`{"answers":${text}}`)).body).toMatchObject({
    accepted: true,
    results: [{ outcome: "passed" }],
  });
  const heard = plugin.calls.filter(({ path }) => path !== "/initialize").map(({ body }) => body);
  expect(heard).toMatchObject([{ input: { a: value } }, { event: { data: { answers: { a: value } } } }]);
});

test("bytes that are no UTF-8 are refused, for they would arrive as U+FFFD", async () => {
  const answer = await manager.fetch("/v1/teams/red/plugins/passed-to/config", {
    method: "PUT",
    headers: { authorization: `Bearer ${await manager.mint("team", "red")}`, "content-type": "application/json" },
    body: Buffer.from('{"note":"\u00e9"}', "latin1"),
  });
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, "invalid-json"]);
  expect(await ground.query("SELECT settings FROM team_plugins")).toEqual([{ settings: null }]);
});

test("a field of a quota that nobody knows is refused, not ignored", async () => {
  const quota = { eventsPerSecond: 5, burst: 5, perMinute: true };
  const answer = await manager.call("PUT", "/v1/teams/red/quota", { quota });
  expect([answer.status, answer.body.problems[0].path]).toEqual([400, "/quota"]);
  expect((await manager.call("GET", "/v1/teams/red/plugins/passed-to")).status).toBe(200);
  expect(await ground.query("SELECT quota_burst FROM teams")).toEqual([{ quota_burst: null }]);
});

test.each(["?limit=1&limit=2", "?after=a&after=b", "?__proto__=1", "?constructor=1", "?limit[]=1"])(
  "the query %s is refused, not read as one of its halves",
  async (query) => {
    expect((await manager.call("GET", `/v1/plugins${query}`)).status).toBe(400);
  },
);
