import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ROUTES_REQUEST_MAX } from "@plugboard/contract";
import { SignJWT } from "jose";
import {
  ADMIN_TOKEN,
  createGround,
  registration,
  SIGNING_KEY,
  type TestGround,
  type TestManager,
} from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
  for (const id of ["one", "two"]) {
    await manager.call("PUT", `/v1/plugins/${id}`, registration());
    await manager.call("PUT", `/v1/teams/red/plugins/${id}`, { enabled: true });
  }
});
afterAll(() => ground.clear());

describe("/internal/routes", () => {
  test("answers every id asked for, null for the unknown", async () => {
    const token = await manager.mint("router", "router-1");
    const { body } = await manager.call(
      "POST",
      "/internal/routes",
      { teams: ["red", "x"], plugins: ["one", "x"] },
      token,
    );
    expect(Object.keys(body.teams)).toEqual(["red", "x"]);
    expect(body.teams.red.plugins.map(({ id }: { id: string }) => id)).toEqual(["one", "two"]);
    expect([body.teams.x, body.plugins.x, body.plugins.one.state]).toEqual([null, null, "enabled"]);
  });

  test("a plugin gets its own routes only, as if there were no others", async () => {
    const token = await manager.mint("plugin", "one");
    const { body } = await manager.call("POST", "/internal/routes", { teams: ["red"], plugins: ["one", "two"] }, token);
    expect(body.teams.red.plugins.map(({ id }: { id: string }) => id)).toEqual(["one"]);
    expect([body.plugins.one.v, body.plugins.two]).toEqual([1, null]);
  });

  test("asks for no more than the bound", async () => {
    const teams = Array.from({ length: ROUTES_REQUEST_MAX + 1 }, (_, index) => `t-${index}`);
    expect((await manager.call("POST", "/internal/routes", { teams: teams.slice(1) })).status).toBe(200);
    expect((await manager.call("POST", "/internal/routes", { teams })).status).toBe(400);
  });

  test("is closed to teams and cores", async () => {
    for (const [role, subject] of [
      ["team", "red"],
      ["core", "collect"],
    ] as const) {
      const token = await manager.mint(role, subject);
      expect((await manager.call("POST", "/internal/routes", {}, token)).status).toBe(403);
    }
  });
});

describe("tokens", () => {
  test("are minted by the admin only, with the expiry asked for", async () => {
    const answer = await manager.call("POST", "/v1/tokens", { role: "team", subject: "red", expiresInSeconds: 3_600 });
    expect(answer.status).toBe(201);
    const ahead = Date.parse(answer.body.expiresAt) - Date.now();
    expect(ahead).toBeGreaterThan(3_500_000);
    expect(ahead).toBeLessThanOrEqual(3_600_000);
    const again = await manager.call("POST", "/v1/tokens", { role: "team", subject: "red" }, answer.body.token);
    expect([again.status, again.body.code]).toEqual([403, "forbidden"]);
  });

  test("with a wrong role, subject or expiry are refused, every problem told", async () => {
    const answer = await manager.call("POST", "/v1/tokens", { role: "admin", subject: "A B", expiresInSeconds: 1 });
    expect(answer.body.problems.map(({ path }: { path: string }) => path)).toEqual([
      "/role",
      "/subject",
      "/expiresInSeconds",
    ]);
  });

  test("of a team open its own doors only", async () => {
    const token = await manager.mint("team", "red");
    expect((await manager.call("GET", "/v1/teams/red/plugins", undefined, token)).status).toBe(200);
    const closed: [string, string, unknown?][] = [
      ["GET", "/v1/teams/blue/plugins"],
      ["PUT", "/v1/teams/blue/plugins/one", { enabled: true }],
      ["GET", "/v1/plugins"],
      ["GET", "/v1/plugins/one"],
      ["PUT", "/v1/plugins/one", registration()],
      ["DELETE", "/v1/plugins/one"],
    ];
    for (const [method, path, body] of closed)
      expect([path, (await manager.call(method, path, body, token)).status]).toEqual([path, 403]);
  });

  test("of a plugin open no team's doors, even of a team with the same id", async () => {
    const token = await manager.mint("plugin", "red");
    expect((await manager.call("GET", "/v1/teams/red/plugins", undefined, token)).status).toBe(403);
  });

  const sign = (claims: Record<string, unknown>, key: string, expires: number | undefined) => {
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: "HS256" });
    if (expires !== undefined) jwt.setExpirationTime(expires);
    return jwt.sign(new TextEncoder().encode(key));
  };
  const now = Math.floor(Date.now() / 1_000);
  const good = { role: "team", sub: "red", iss: "plugboard" };
  test.each<[string, () => Promise<string | null>]>([
    ["none", async () => null],
    ["nonsense", async () => "nonsense"],
    ["nearly the admin's", async () => ADMIN_TOKEN.slice(0, -1)],
    ["another key's", () => sign(good, "another-signing-key-of-32-bytes!!", now + 60)],
    ["expired", () => sign(good, SIGNING_KEY, now - 60)],
    ["without expiry", () => sign(good, SIGNING_KEY, undefined)],
    ["of another issuer", () => sign({ ...good, iss: "else" }, SIGNING_KEY, now + 60)],
    ["with a role that cannot be minted", () => sign({ ...good, role: "admin" }, SIGNING_KEY, now + 60)],
    ["without a subject", () => sign({ role: "team", iss: "plugboard" }, SIGNING_KEY, now + 60)],
    [
      "unsigned",
      async () =>
        `${[{ alg: "none" }, { ...good, exp: now + 60 }].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.`,
    ],
  ])("%s: 401, told how to authenticate", async (_what, make) => {
    const answer = await manager.call("GET", "/v1/teams/red/plugins", undefined, await make());
    expect([answer.status, answer.body.code]).toEqual([401, "unauthenticated"]);
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
  });
});

describe("the protocol", () => {
  const fetchRaw = (path: string, init: RequestInit) =>
    manager.fetch(path, { ...init, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...init.headers } });

  test("a method that a path does not have is 405 and names those it has", async () => {
    const answer = await manager.call("POST", "/v1/plugins/one", {});
    expect([answer.status, answer.body.code]).toEqual([405, "method-not-allowed"]);
    expect(answer.headers.get("allow")).toBe("GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
  });

  test("OPTIONS and HEAD are answered", async () => {
    const options = await fetchRaw("/v1/tokens", { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "POST, OPTIONS"]);
    const head = await fetchRaw("/v1/plugins/one", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("failures are problem documents with the request's id", async () => {
    const answer = await fetchRaw("/v1/nothing", { headers: { "x-request-id": "my-id" } });
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(await answer.json()).toMatchObject({
      type: "urn:plugboard:error:not-found",
      status: 404,
      instance: "urn:request:my-id",
    });
  });

  test.each([
    ["JSON that is none", { body: "{", headers: { "content-type": "application/json" } }, 400, "invalid-json"],
    ["another content type", { body: "a=1", headers: { "content-type": "text/plain" } }, 415, "unsupported-media-type"],
    ["no body at all", {}, 400, "invalid-input"],
    [
      "a body beyond the bound",
      { body: JSON.stringify({ role: "x".repeat(70_000) }), headers: { "content-type": "application/json" } },
      413,
      "too-large",
    ],
  ])("%s is refused", async (_what, init, status, code) => {
    const answer = await fetchRaw("/v1/tokens", { method: "POST", ...init } as RequestInit);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
  });

  test("a body nested without end is refused, wherever it is sent", async () => {
    const deep = `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`;
    const core = await manager.mint("core", "collect");
    const settings = await manager.call("PUT", "/v1/teams/red/plugins/one/config", deep);
    const event = `{"id":"1","team_id":"red","event":"onResponse","data":${deep}}`;
    const submitted = await manager.call("POST", "/v1/process", event, core);
    expect([settings, submitted].map(({ status, body }) => [status, body.code])).toEqual([
      [400, "invalid-input"],
      [400, "invalid-input"],
    ]);
  });

  test("a path that does not decode is refused, not a crash", async () => {
    expect((await fetchRaw("/v1/plugins/%E0%A4%A", {})).status).toBe(400);
  });

  test("carries the usual security headers", async () => {
    const { headers } = await fetchRaw("/healthz", {});
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-powered-by")).toBeNull();
  });
});

describe("operations", () => {
  test("it lives, it is ready, and it tells its metrics by route template", async () => {
    expect((await manager.call("GET", "/healthz", undefined, null)).status).toBe(200);
    const readiness = await manager.call("GET", "/readyz", undefined, null);
    expect([readiness.status, readiness.body.checks.map(({ name }: { name: string }) => name)]).toEqual([
      200,
      ["postgres", "redis", "kafka"],
    ]);
    await manager.call("GET", "/v1/teams/secret-team-name/plugins");
    const { body } = await manager.call("GET", "/metrics", undefined, null);
    for (const name of [
      "manager_http_request_duration_seconds_count",
      "manager_outbox_rows",
      "manager_outbox_oldest_age_seconds",
      "manager_relayed_changes_total",
      "manager_routing_rebuilds_total",
      "manager_auth_failures_total",
      'plugboard_health_check_passing{check="postgres"} 1',
      "plugboard_ready 1",
    ])
      expect(body).toContain(name);
    expect(body).toContain('route="/v1/teams/{team}/plugins"');
    expect(body).not.toContain("secret-team-name");
  });
});

describe("too many invalid credentials", () => {
  test("are answered 429 with Retry-After, while valid ones pass", async () => {
    const guess = () => manager.call("GET", "/v1/plugins", undefined, "guess");
    let answer = await guess();
    for (let tries = 0; answer.status === 401 && tries < 200; tries += 1) answer = await guess();
    expect([answer.status, answer.body.code]).toEqual([429, "rate-limited"]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await manager.call("GET", "/v1/plugins")).status).toBe(200);
  });
});
