import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { exportJWK, generateKeyPair } from "jose";
import { appliesEverything, type FakePlugin, startFakePlugin } from "../fake-plugin.ts";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

/** Many calls, each answered: on a busy machine that takes its time. */
jest.setTimeout(180_000);

let ground: TestGround;
let manager: TestManager;
let plugin: FakePlugin;
let publicKey: object;

beforeAll(async () => {
  ground = await createGround();
  [manager, plugin] = await Promise.all([ground.start(), startFakePlugin()]);
  const pair = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  publicKey = { ...(await exportJWK(pair.publicKey)), alg: "ECDH-ES" };
});
afterAll(async () => {
  await ground.clear();
  await plugin.close();
});

const SCHEMA = {
  type: "object",
  properties: { sheet: { type: "string" }, rows: { type: "integer" }, key: { type: "string", writeOnly: true } },
  required: ["sheet"],
  additionalProperties: false,
};
const withRequired = (name: string) => ({ ...SCHEMA, required: ["sheet", name] });

const register = (id: string, settings: object, options: { force?: boolean; token?: string; version?: string } = {}) =>
  manager.call(
    "PUT",
    `/v1/plugins/${id}${options.force ? "?force=true" : ""}`,
    registration({ url: plugin.url, settings, publicKey, version: options.version ?? "1.0.0" }),
    options.token,
  );
const view = async (id: string, team: string) => (await manager.call("GET", `/v1/teams/${team}/plugins/${id}`)).body;
const configure = (id: string, team: string, body: object) =>
  manager.call("PUT", `/v1/teams/${team}/plugins/${id}/config`, body);

/** A plugin whose teams have these settings in force. */
async function configured(id: string, settings: Record<string, object>): Promise<void> {
  await register(id, SCHEMA);
  for (const [team, body] of Object.entries(settings)) {
    await manager.call("PUT", `/v1/teams/${team}/plugins/${id}`, { enabled: true });
    await configure(id, team, body);
    await eventually(async () => (await view(id, team)).settings.state === "applied", `${team} is applied`);
  }
}

describe("a schema that teams' settings do not fit", () => {
  test("is refused with the teams and what is wrong, and what was registered before stands", async () => {
    await configured("strict", { blue: { sheet: "abc", rows: 1 }, green: { sheet: "abc" }, red: { sheet: "abc" } });
    const answer = await register("strict", withRequired("rows"), { version: "2.0.0" });
    expect([answer.status, answer.body.code]).toEqual([409, "settings-invalidated"]);
    expect(answer.body.teams).toEqual({ count: 2, named: ["green", "red"] });
    expect(answer.body.problems).toEqual([{ path: "/rows", message: "is required (2 teams)" }]);
    expect((await manager.call("GET", "/v1/plugins/strict")).body).toMatchObject({
      version: "1.0.0",
      settings: SCHEMA,
    });
    expect((await view("strict", "red")).settings).toMatchObject({ state: "applied", version: 1 });
  });

  test("is taken once the settings fit it, or when only settings out of force do not", async () => {
    await configured("mended", { green: { sheet: "abc" }, red: { sheet: "abc" } });
    expect((await register("mended", withRequired("rows"))).status).toBe(409);
    await configure("mended", "green", { sheet: "abc", rows: 3 });
    plugin.reply = ({ body }) => ({
      body: { status: "refused", version: body.version, reasons: [{ path: "/sheet", message: "is not shared" }] },
    });
    await configure("mended", "red", { sheet: "abd" });
    await eventually(async () => (await view("mended", "red")).settings.state === "refused", "red is refused");
    plugin.reply = appliesEverything;
    expect((await register("mended", withRequired("rows"))).status).toBe(200);
  });

  test("is told by the presence of secrets, for their values are sealed", async () => {
    await configured("sealed", { blue: { sheet: "abc", key: "short" }, red: { sheet: "abc" } });
    const answer = await register("sealed", withRequired("key"));
    expect(answer.body.teams).toEqual({ count: 1, named: ["red"] });
    expect(answer.body.problems).toEqual([{ path: "/key", message: "is required (1 team)" }]);
    const longer = {
      ...SCHEMA,
      properties: { ...SCHEMA.properties, key: { ...SCHEMA.properties.key, minLength: 20 } },
    };
    expect((await register("sealed", longer)).status).toBe(200);
  });

  test("names a hundred teams at most, and counts them all", async () => {
    await configured("popular", { "team-000": { sheet: "abc" } });
    await ground.query(
      "INSERT INTO teams (id) SELECT 'many-' || lpad(n::text, 4, '0') FROM generate_series(1, 650) AS n",
    );
    await ground.query(
      `INSERT INTO team_plugins (team_id, plugin_id, enabled, mode, on_failure, settings, settings_version, settings_state, reasons, ready)
       SELECT 'many-' || lpad(n::text, 4, '0'), 'popular', true, 'async', 'open', '{"sheet":"abc"}', 1, 'applied', '[]', true
       FROM generate_series(1, 650) AS n`,
    );
    const { teams } = (await register("popular", withRequired("rows"))).body;
    expect([teams.count, teams.named.length, teams.named[99]]).toEqual([651, 100, "many-0100"]);
  });
});

describe("such a schema by force", () => {
  test("is an admin's to register", async () => {
    await configured("owned", { red: { sheet: "abc" } });
    const token = await manager.mint("plugin", "owned");
    expect((await register("owned", withRequired("rows"), { force: true, token })).status).toBe(403);
    expect((await register("owned", withRequired("rows"), { token })).status).toBe(409);
  });

  test("sends the settings that do not fit to the plugin again, whose verdict counts; others stay as they are", async () => {
    await configured("forced", { blue: { sheet: "abc", rows: 1 }, green: { sheet: "abc" }, red: { sheet: "old" } });
    plugin.reply = ({ body }) =>
      body.settings.sheet === "old"
        ? { body: { status: "refused", version: body.version, reasons: [{ path: "/rows", message: "is required" }] } }
        : { body: { status: "applied", version: body.version } };
    expect((await register("forced", withRequired("rows"), { force: true })).status).toBe(200);
    await eventually(async () => (await view("forced", "red")).settings.state === "refused", "red is refused");
    await eventually(async () => (await view("forced", "green")).settings.state === "applied", "green is applied");
    plugin.reply = appliesEverything;
    expect((await view("forced", "red")).settings).toMatchObject({
      version: 2,
      reasons: [{ path: "/rows", message: "is required" }],
    });
    expect((await view("forced", "green")).settings.version).toBe(2);
    expect((await view("forced", "blue")).settings).toMatchObject({ state: "applied", version: 1 });
  });
});

test("settings that are put while a schema is registered fit the schema that stands in the end", async () => {
  await configured("raced", { red: { sheet: "abc", rows: 1 } });
  for (let round = 0; round < 12; round += 1) {
    await Promise.all([
      configure("raced", "red", round % 2 === 0 ? { sheet: "abc" } : { sheet: "abc", rows: round }),
      register("raced", round % 3 === 0 ? SCHEMA : withRequired("rows")),
    ]);
    const { settings, settingsSchema } = await view("raced", "red");
    const required = settingsSchema.required as string[];
    expect(required.filter((name) => !(name in settings.values))).toEqual([]);
  }
});
