import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ADMIN_TOKEN, createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

// The manager's client here refuses every answer that the document does not describe.
let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
});
afterAll(() => ground.clear());

const authorization = `Bearer ${ADMIN_TOKEN}`;

describe("what a request says of copies and parts", () => {
  const conditions = {
    "if-none-match": "*",
    "if-match": '"another"',
    "if-modified-since": "Fri, 31 Dec 2100 23:59:59 GMT",
    "if-unmodified-since": "Fri, 31 Dec 1999 23:59:59 GMT",
    range: "bytes=0-1",
    // fetch would otherwise add no-cache of its own, with which nothing is told as known.
    "cache-control": "max-age=0",
  };

  test.each(["/v1/plugins", "/healthz", "/readyz", "/metrics"])("changes nothing about %s", async (path) => {
    const answer = await manager.fetch(path, { headers: { authorization, ...conditions } });
    expect([answer.status, (await answer.text()).length > 2]).toEqual([200, true]);
  });

  test("of a file of the page is heard only as far as it has it", async () => {
    const { range, "if-match": match, "if-unmodified-since": since, "cache-control": cache } = conditions;
    const headers = { range, "if-match": match, "if-unmodified-since": since, "cache-control": cache };
    expect((await manager.fetch("/docs/swagger-ui.css", { headers })).status).toBe(200);
    const known = { "if-none-match": "*", "cache-control": cache };
    expect((await manager.fetch("/docs/swagger-ui.css", { headers: known })).status).toBe(304);
  });
});

test.each(["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/start.js", "/v1/plugins"])(
  "OPTIONS of %s is 204 and names the methods",
  async (path) => {
    const answer = await manager.fetch(path, { method: "OPTIONS" });
    expect([answer.status, answer.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
  },
);

test.each([
  ["at the top", '{"type":"object"},"__proto__":{}', "/__proto__"],
  [
    "inside a schema",
    '{"type":"object","properties":{"__proto__":{"type":"string"}}}',
    "/settings/properties/__proto__",
  ],
])("a field named __proto__ %s is refused, not dropped", async (_where, settings, path) => {
  const { settings: _, ...rest } = registration();
  const body = `{"settings":${settings},${JSON.stringify(rest).slice(1)}`;
  const answer = await manager.call("PUT", "/v1/plugins/odd-keys", body);
  expect([answer.status, answer.body.problems]).toEqual([400, [{ path, message: '"__proto__" is a reserved name' }]]);
});

test("settings with a field named __proto__ are refused, and nothing of them is stored", async () => {
  await manager.call("PUT", "/v1/plugins/keyed", registration());
  await manager.call("PUT", "/v1/teams/red/plugins/keyed", { enabled: true });
  const answer = await manager.call("PUT", "/v1/teams/red/plugins/keyed/config", '{"__proto__":1,"a":2}');
  expect([answer.status, answer.body.problems[0].path]).toEqual([400, "/__proto__"]);
  expect(await ground.query("SELECT settings FROM team_plugins")).toEqual([{ settings: null }]);
});

test.each(["http://é.example", "http://x/ü", "http://x/{id}"])(
  "the url %s, which is no URI, is refused",
  async (url) => {
    const answer = await manager.call("PUT", "/v1/plugins/spelled", registration({ url }));
    expect([answer.status, answer.body.problems[0].path]).toEqual([400, "/url"]);
  },
);

test("lifting the limit of a team that nothing is known of leaves no row of it", async () => {
  const answer = await manager.call("PUT", "/v1/teams/nobody/quota", { quota: null });
  expect([answer.status, answer.body]).toEqual([200, { team: "nobody", quota: null, routing: "current" }]);
  expect(await ground.query("SELECT id FROM teams WHERE id = 'nobody'")).toEqual([]);
});
