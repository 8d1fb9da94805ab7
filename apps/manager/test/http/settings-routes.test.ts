import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type CryptoKey, compactDecrypt, exportJWK, generateKeyPair } from "jose";
import { appliesEverything, type FakePlugin, startFakePlugin } from "../fake-plugin.ts";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    sheet: { type: "string", minLength: 3 },
    rows: { type: "integer", minimum: 1 },
    contact: { type: "string", format: "email" },
    key: { type: "string", minLength: 8, writeOnly: true },
    account: {
      type: "object",
      properties: { user: { type: "string" }, password: { type: "string", writeOnly: true } },
      required: ["password"],
    },
  },
  required: ["sheet", "key"],
  additionalProperties: false,
};

let ground: TestGround;
let manager: TestManager;
let plugin: FakePlugin;
let privateKey: CryptoKey;
let red: string;
let pluginToken: string;

beforeAll(async () => {
  ground = await createGround();
  [manager, plugin] = await Promise.all([ground.start(), startFakePlugin()]);
  const pair = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  privateKey = pair.privateKey;
  const publicKey = { ...(await exportJWK(pair.publicKey)), alg: "ECDH-ES" };
  [red, pluginToken] = await Promise.all([manager.mint("team", "red"), manager.mint("plugin", "sheets")]);
  const answer = await manager.call(
    "PUT",
    "/v1/plugins/sheets",
    registration({ url: plugin.url, settings: SCHEMA, publicKey }),
    pluginToken,
  );
  plugin.secret = answer.body.webhookSecret;
});
afterAll(async () => {
  await ground.clear();
  await plugin.close();
});

const enable = (team: string, enabled = true) => manager.call("PUT", `/v1/teams/${team}/plugins/sheets`, { enabled });
const configure = (team: string, body: unknown, token?: string) =>
  manager.call("PUT", `/v1/teams/${team}/plugins/sheets/config`, body, token);
const view = async (team: string) => (await manager.call("GET", `/v1/teams/${team}/plugins/sheets`)).body;
const settled = (team: string, state: string) =>
  eventually(
    async () => ((await view(team)).settings.state === state ? await view(team) : undefined),
    `${team} ${state}`,
  );
const ready = async (team: string) => {
  const { teams } = (await manager.call("POST", "/internal/routes", { teams: [team] })).body;
  return teams[team]?.plugins[0]?.ready;
};
const open = async (sealed: { $sealed: string }) =>
  JSON.parse(new TextDecoder().decode((await compactDecrypt(sealed.$sealed, privateKey)).plaintext));
const stored = async (team: string) =>
  (await ground.query("SELECT settings FROM team_plugins WHERE team_id = $1", [team]))[0]?.settings;
const initializesOf = (team: string) => plugin.calls.filter(({ body }) => body.team === team);

describe("configuring", () => {
  test("is refused while the plugin is not enabled", async () => {
    const answer = await configure("red", { sheet: "abc", key: "12345678" }, red);
    expect([answer.status, answer.body.code]).toEqual([409, "not-enabled"]);
    expect(await stored("red")).toBeUndefined();
  });

  test("sends the settings signed and sealed, and the route is ready once the plugin has applied them", async () => {
    await enable("red");
    expect([(await view("red")).settings.state, await ready("red")]).toEqual(["missing", false]);
    const body = { sheet: "abc", key: "12345678", account: { user: "me", password: "open sesame" } };
    const answer = await configure("red", body, red);
    expect([answer.status, answer.body.settings.version]).toEqual([202, 1]);
    const applied = await settled("red", "applied");
    expect(await ready("red")).toBe(true);
    expect(applied.settings.values).toEqual({ sheet: "abc", account: { user: "me" } });
    const [call] = initializesOf("red");
    expect(call).toMatchObject({ path: "/initialize", signed: true, body: { team: "red", version: 1 } });
    expect(await open(call?.body.settings.key)).toBe("12345678");
    expect(await open(call?.body.settings.account.password)).toBe("open sesame");
    const text = JSON.stringify(await ground.query("SELECT * FROM team_plugins"));
    expect(text).toContain("$sealed");
    expect(text).not.toContain("12345678");
    expect(text).not.toContain("open sesame");
  });

  test("a secret left out keeps its value, as long as the object it stands in is there", async () => {
    const before = await stored("red");
    await configure("red", { sheet: "other", account: { user: "you" } });
    expect(await stored("red")).toEqual({
      sheet: "other",
      key: before.key,
      account: { user: "you", password: before.account.password },
    });
    await configure("red", { sheet: "third" });
    expect(await stored("red")).toEqual({ sheet: "third", key: before.key });
    await configure("red", { sheet: "third", key: "87654321" });
    expect(await open((await stored("red")).key)).toBe("87654321");
  });

  test("every problem is told with its JSON pointer, no secret among them, and nothing is stored", async () => {
    const before = await stored("red");
    const body = { sheet: "x", rows: 0.5, contact: "nobody", key: "short", account: { password: 7 }, extra: 1 };
    const answer = await configure("red", body, red);
    expect([answer.status, answer.body.code]).toEqual([422, "invalid-settings"]);
    expect(answer.body.problems.map(({ path }: { path: string }) => path).toSorted()).toEqual([
      "/account/password",
      "/contact",
      "/extra",
      "/key",
      "/rows",
      "/rows",
      "/sheet",
    ]);
    expect(JSON.stringify(answer.body)).not.toContain('short"');
    expect(await stored("red")).toEqual(before);
  });

  test("required secrets must be given once", async () => {
    await enable("blue");
    const answer = await configure("blue", { sheet: "abc", account: {} });
    expect(answer.body.problems).toEqual([
      { path: "/key", message: "is required" },
      { path: "/account/password", message: "is required" },
    ]);
  });

  test.each([
    ["a sealed value of the caller's own", { sheet: "abc", key: { $sealed: "forged" } }],
    ["U+0000", { sheet: "abc\u0000", key: "12345678" }],
    ["half a surrogate pair", { sheet: "abc\ud800", key: "12345678" }],
    ["no object", ["sheet"]],
  ])("%s is refused", async (_what, body) => {
    expect([400, 422]).toContain((await configure("blue", body)).status);
    expect(await stored("blue")).toBeNull();
  });

  test("a body beyond the bound is refused", async () => {
    const answer = await configure("blue", { sheet: "x".repeat(300_000), key: "12345678" });
    expect([answer.status, answer.body.code]).toEqual([413, "too-large"]);
  });
});

describe("the plugin's answer", () => {
  test("refused: the reasons are shown, and the route is not ready until corrected settings are applied", async () => {
    await enable("green");
    plugin.reply = ({ body }) => ({
      body:
        body.settings.sheet === "bad"
          ? { status: "refused", version: body.version, reasons: [{ path: "/sheet", message: "no such sheet" }] }
          : { status: "applied", version: body.version },
    });
    await configure("green", { sheet: "bad", key: "12345678" });
    const refused = await settled("green", "refused");
    expect(refused.settings.reasons).toEqual([{ path: "/sheet", message: "no such sheet" }]);
    expect(await ready("green")).toBe(false);
    await configure("green", { sheet: "good" });
    expect((await settled("green", "applied")).settings.reasons).toEqual([]);
    expect(await ready("green")).toBe(true);
  });

  test("refused with characters that Postgres keeps not: it is settled all the same", async () => {
    await enable("teal");
    plugin.reply = ({ body }) => ({
      body: {
        status: "refused",
        version: body.version,
        reasons: [{ path: "/sheet\u0000", message: "\u0000no\ud800" }],
      },
    });
    await configure("teal", { sheet: "bad", key: "12345678" });
    const { settings } = await settled("teal", "refused");
    plugin.reply = appliesEverything;
    expect(settings.reasons).toEqual([{ path: "/sheet", message: "no\ufffd" }]);
  });

  test("none: the settings stay pending, the earlier ones stay in force, and it is asked again", async () => {
    await enable("grey");
    await configure("grey", { sheet: "first", key: "12345678" });
    await settled("grey", "applied");
    let failures = 0;
    const failing = [
      { status: 500 },

      { raw: "not json" },
      { body: { status: "applied", version: 77 } },
    ] as const;
    plugin.reply = ({ body }) => failing[failures++] ?? { body: { status: "applied", version: body.version } };
    await configure("grey", { sheet: "second" });
    await eventually(async () => failures > 0, "the plugin is asked");
    expect([(await view("grey")).settings.state, await ready("grey")]).toEqual(["pending", true]);
    await settled("grey", "applied");
    expect(initializesOf("grey").map(({ body }) => body.version)).toEqual([1, 2, 2, 2, 2]);
  });

  test("to an older version changes nothing when a newer one is stored meanwhile", async () => {
    await enable("gold");
    const gate = Promise.withResolvers<void>();
    plugin.reply = async ({ body }) => {
      if (body.version === 1) await gate.promise;
      const status = body.version === 1 ? "refused" : "applied";
      return { body: { status, version: body.version, reasons: [{ path: "", message: "old" }] } };
    };
    await configure("gold", { sheet: "first", key: "12345678" });
    await eventually(async () => initializesOf("gold").length > 0, "version 1 is sent");
    await configure("gold", { sheet: "second" });
    gate.resolve();
    expect((await settled("gold", "applied")).settings.version).toBe(2);
    expect(await ground.query("SELECT * FROM initialize_outbox WHERE team_id = 'gold'")).toEqual([]);
  });

  test("from one slow plugin does not hold up another", async () => {
    plugin.reply = () => "never";
    const slowTeams = Array.from({ length: 12 }, (_, index) => `slow-${index}`);
    for (const team of slowTeams) {
      await enable(team);
      await configure(team, { sheet: "abc", key: "12345678" });
    }
    const quick = await startFakePlugin();
    await manager.call("PUT", "/v1/plugins/quick", registration({ url: quick.url }));
    await manager.call("PUT", "/v1/teams/red/plugins/quick", { enabled: true });
    await manager.call("PUT", "/v1/teams/red/plugins/quick/config", { any: 1 });
    await eventually(
      async () => (await manager.call("GET", "/v1/teams/red/plugins/quick")).body.settings.state === "applied",
      "the quick plugin's settings are applied",
    );
    expect((await view("slow-0")).settings.state).toBe("pending");
    await quick.close();
    plugin.reply = ({ body }) => ({ body: { status: "applied", version: body.version } });
  });
});

describe("disabling", () => {
  test("keeps the settings; enabling again restores them without asking anyone", async () => {
    const before = await stored("green");
    await enable("green", false);
    expect((await configure("green", { sheet: "while off", key: "12345678" })).status).toBe(409);
    const calls = initializesOf("green").length;
    await enable("green");
    expect(await stored("green")).toEqual(before);
    expect([(await view("green")).settings.state, await ready("green")]).toEqual(["applied", true]);
    expect(initializesOf("green")).toHaveLength(calls);
  });
});

describe("a plugin with an empty database", () => {
  test("gets all teams' settings page by page, secrets sealed", async () => {
    const teams: string[] = [];
    for (let after = ""; ; ) {
      const path = `/v1/plugins/sheets/settings?limit=2${after && `&after=${after}`}`;
      const { items, next } = (await manager.call("GET", path, undefined, pluginToken)).body;
      teams.push(...items.map(({ team }: { team: string }) => team));
      if (next === null) break;
      after = next;
    }
    expect(teams).toEqual(teams.toSorted());
    expect(teams).toEqual(expect.arrayContaining(["gold", "green", "grey", "red", "slow-0"]));
    expect(teams).not.toContain("blue");
    const [first] = (await manager.call("GET", "/v1/plugins/sheets/settings?limit=1", undefined, pluginToken)).body
      .items;
    expect(first).toMatchObject({ team: "gold", version: 2, state: "applied", settings: { sheet: "second" } });
    expect(await open(first.settings.key)).toBe("12345678");
  });

  test("no other plugin and no team gets them", async () => {
    const other = await manager.mint("plugin", "other");
    for (const token of [other, red])
      expect((await manager.call("GET", "/v1/plugins/sheets/settings", undefined, token)).status).toBe(403);
  });
});

describe("a schema that changes", () => {
  test("moves teams without settings between missing and not-required", async () => {
    const optional = { type: "object", properties: { sheet: { type: "string" } } };
    const required = { ...optional, required: ["sheet"] };
    await manager.call("PUT", "/v1/plugins/changing", registration({ settings: required }));
    await manager.call("PUT", "/v1/teams/red/plugins/changing", { enabled: true });
    const state = async () => (await manager.call("GET", "/v1/teams/red/plugins/changing")).body.settings.state;
    expect(await state()).toBe("missing");
    await manager.call("PUT", "/v1/plugins/changing", registration({ settings: optional }));
    expect(await state()).toBe("not-required");
    await manager.call("PUT", "/v1/plugins/changing", registration({ settings: required }));
    expect(await state()).toBe("missing");
  });
});
