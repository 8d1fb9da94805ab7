import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { registrationSchema } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import { CompactEncrypt, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { z } from "zod";
import { defineAction, definePlugin, type RunningPlugin, secret } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

let stage: PluginStage;
let plugin: RunningPlugin;
let publicKey: JWK;
let environment: Record<string, string>;
const seen: { team: string; settings: unknown }[] = [];
const PASSWORD = "correct-horse-battery-staple";

const settingsSchema = z.object({ sheet: z.string().min(3), login: z.object({ password: secret(z.string().min(4)) }) });
const definition = definePlugin({
  metadata: { id: "surface", name: "Surface", description: "d", version: "2", events: ["onResponse"] },
  settings: settingsSchema,
  onEvent: async (_delivery, { settings, team }) => {
    seen.push({ team, settings });
    return undefined;
  },
  execute: {
    deadlineMs: 200,
    run: async ({ event, data }, { settings, signal }) => {
      if (event.id === "slow") await new Promise((resolve) => signal.addEventListener("abort", resolve));
      if (event.id === "broken") throw new Error(`leaks nothing of ${settings.login.password}`);
      return { outcome: "passed", output: { form: event.formId, sheet: settings.sheet, data } };
    },
  },
  actions: {
    export: defineAction(z.object({ rows: z.int().min(1) }), "Exports.", async ({ rows }, context) => ({
      rows,
      team: context.team,
    })),
  },
  validateSettings: async ({ sheet }) =>
    sheet === "closed" ? [{ path: "/sheet", message: "cannot be opened: share it first" }] : [],
});

beforeAll(async () => {
  stage = await openStage("surface");
  const { privateKey } = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  environment = { PLUGIN_PRIVATE_KEY: JSON.stringify(await exportJWK(privateKey)) };
  plugin = await stage.start(definition, environment);
  const [registered] = stage.manager.heardOf("PUT", /\/v1\/plugins\/surface$/);
  publicKey = registered?.body.publicKey as JWK;
});
afterAll(async () => {
  await stage.close();
});

async function seal(value: unknown): Promise<{ $sealed: string }> {
  const key = await importJWK(publicKey, "ECDH-ES");
  const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(value)))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
    .encrypt(key);
  return { $sealed: jwe };
}
const settingsOf = async (sheet: string, password: unknown = PASSWORD) => ({
  sheet,
  login: { password: await seal(password) },
});
const initialize = async (team: string, version: number, settings: unknown) =>
  await stage.manager.call(plugin.url, "/initialize", { team, version, settings });

describe("the signature check", () => {
  const body = { team: "team-sig", version: 1, settings: {} };
  test.each(["/initialize", "/execute", "/actions/export"])(
    "refuses %s without the manager's signature",
    async (path) => {
      const bare = await fetch(`${plugin.url}${path}`, { method: "POST", body: JSON.stringify(body) });
      expect(bare.status).toBe(401);
      expect(bare.headers.get("content-type")).toContain("application/problem+json");
      expect(await bare.json()).toMatchObject({ code: "signature-invalid" });
    },
  );

  test("refuses a wrong secret, a time stamp out of tolerance and an altered body", async () => {
    const wrong = `whsec_${Buffer.from("some other secret").toString("base64")}`;
    const hour = 3_600_000;
    const answers = await Promise.all([
      stage.manager.call(plugin.url, "/initialize", body, { secret: wrong }),
      stage.manager.call(plugin.url, "/initialize", body, { at: new Date(Date.now() - hour) }),
      stage.manager.call(plugin.url, "/initialize", body, { at: new Date(Date.now() + hour) }),
      stage.manager.call(plugin.url, "/initialize", body, { sent: JSON.stringify({ ...body, team: "team-x" }) }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    expect(await stage.query("SELECT team FROM team_settings WHERE team IN ('team-sig', 'team-x')")).toEqual([]);
  });

  test("lets signed calls through to be judged: not JSON is 400, a wrong shape is 400 with every problem", async () => {
    const wrong = await stage.manager.call(plugin.url, "/initialize", { team: "UPPER", version: -1 });
    expect(wrong.status).toBe(400);
    expect((wrong.body.problems as { path: string }[]).map(({ path }) => path).sort()).toEqual([
      "/settings",
      "/team",
      "/version",
    ]);
  });
});

describe("/initialize", () => {
  test("applies settings; the secret is opened for handlers and stored sealed", async () => {
    expect(await initialize("team-a", 1, await settingsOf("sheet-1"))).toEqual({
      status: 200,
      body: { status: "applied", version: 1 },
    });
    stage.manager.enable("team-a");
    await stage.settled(await stage.route({ team: "team-a", response: "r" }));
    expect(seen.at(-1)).toEqual({ team: "team-a", settings: { sheet: "sheet-1", login: { password: PASSWORD } } });
    const rows = await stage.query("SELECT * FROM team_settings WHERE team = 'team-a'");
    expect(JSON.stringify(rows)).toContain("$sealed");
    expect(JSON.stringify(rows)).not.toContain(PASSWORD);
  });

  test("refuses settings whose shape or meaning is wrong, with the places", async () => {
    expect((await initialize("team-b", 1, await settingsOf("x", "abc"))).body).toMatchObject({
      status: "refused",
      version: 1,
      reasons: [{ path: "/sheet" }, { path: "/login/password" }],
    });
    expect((await initialize("team-b", 2, await settingsOf("closed"))).body).toEqual({
      status: "refused",
      version: 2,
      reasons: [{ path: "/sheet", message: "cannot be opened: share it first" }],
    });
    expect(
      (await initialize("team-b", 3, { sheet: "fine", login: { password: { $sealed: "a.b.c" } } })).body,
    ).toMatchObject({
      status: "refused",
      reasons: [{ path: "/login/password" }],
    });
  });

  test("never lets an older version replace a newer one; the same version again is harmless", async () => {
    await initialize("team-c", 5, await settingsOf("newer"));
    expect((await initialize("team-c", 4, await settingsOf("older"))).body).toEqual({ status: "applied", version: 5 });
    expect((await initialize("team-c", 5, await settingsOf("newer"))).body).toEqual({ status: "applied", version: 5 });
    const [row] = await stage.query<{ settings: { sheet: string } }>(
      "SELECT settings FROM team_settings WHERE team = 'team-c'",
    );
    expect(row?.settings.sheet).toBe("newer");
  });

  test("wakes deliveries that were kept because the team's settings were missing", async () => {
    stage.manager.enable("team-d", true);
    const id = await stage.route({ team: "team-d", response: "r" });
    await waitUntil("the delivery is kept", 20_000, async () => {
      const rows = await stage.query("SELECT 1 FROM retries WHERE delivery_id = $1 AND waiting_for = 'settings'", [id]);
      return rows[0];
    });
    await initialize("team-d", 1, await settingsOf("sheet-d"));
    expect(await stage.settled(id)).toBe("delivered");
    expect(seen.at(-1)).toMatchObject({ team: "team-d" });
  });
});

describe("/execute", () => {
  const event = (id: string, team = "team-a") => ({
    event: { id, team_id: team, event: "onResponse", form_id: "f", data: { answers: { q: 1 } } },
  });

  test("answers inside the submit with the team's settings", async () => {
    await initialize("team-a", 1, await settingsOf("sheet-1"));
    expect(await stage.manager.call(plugin.url, "/execute", event("e-1"))).toEqual({
      status: 200,
      body: { outcome: "passed", flags: [], output: { form: "f", sheet: "sheet-1", data: { answers: { q: 1 } } } },
    });
  });

  test("answers 409 for a team without settings, 504 at its deadline, 500 without details when the handler throws", async () => {
    const none = await stage.manager.call(plugin.url, "/execute", event("e", "team-none"));
    const late = await stage.manager.call(plugin.url, "/execute", event("slow"));
    const broken = await stage.manager.call(plugin.url, "/execute", event("broken"));
    expect([none, late, broken].map(({ status, body }) => [status, body.code])).toEqual([
      [409, "not-configured"],
      [504, "plugin-late"],
      [500, "internal"],
    ]);
    expect(JSON.stringify(broken.body)).not.toContain(PASSWORD);
  });
});

describe("/actions/:name", () => {
  test("runs an action with checked input", async () => {
    expect(await stage.manager.call(plugin.url, "/actions/export", { team: "team-a", input: { rows: 3 } })).toEqual({
      status: 200,
      body: { output: { rows: 3, team: "team-a" } },
    });
  });

  test("refuses unknown actions and wrong input", async () => {
    const unknown = await stage.manager.call(plugin.url, "/actions/constructor", { team: "team-a", input: {} });
    const wrong = await stage.manager.call(plugin.url, "/actions/export", { team: "team-a", input: { rows: 0 } });
    expect([unknown.status, wrong.status]).toEqual([404, 400]);
    expect(wrong.body.problems).toEqual([expect.objectContaining({ path: "/rows" })]);
  });
});

test("/metadata is the registration with the id, and valid by the contract", async () => {
  const { id, ...registration } = (await (await fetch(`${plugin.url}/metadata`)).json()) as Record<string, unknown>;
  expect(id).toBe("surface");
  expect(registrationSchema.parse(registration)).toMatchObject({
    events: ["onResponse"],
    sync: { deadlineMs: 200 },
    actions: [{ name: "export", description: "Exports." }],
    settings: { properties: { login: { properties: { password: { type: "string", writeOnly: true } } } } },
    publicKey: { kty: "EC", crv: "P-256", alg: "ECDH-ES" },
  });
  expect(JSON.stringify(registration)).not.toContain('"d":');
});

test("a plugin with an empty database rebuilds every team's settings from the manager", async () => {
  const teams = ["team-p", "team-q", "team-r", "team-s", "team-t"];
  stage.manager.settings = await Promise.all(
    teams.map(async (team, index) => ({
      team,
      version: 7,
      state: index === 4 ? "pending" : "applied",
      settings: await settingsOf(`sheet-${team}`),
    })),
  );
  await plugin.stop();
  await stage.query("TRUNCATE team_settings");
  plugin = await stage.start(definition, environment);
  const restored = await waitUntil("the settings are there", 20_000, async () => {
    const rows = await stage.query<{ team: string }>("SELECT team, version, state FROM team_settings ORDER BY team");
    return rows.length >= 4 ? rows : undefined;
  });
  expect(restored).toEqual(teams.slice(0, 4).map((team) => ({ team, version: "7", state: "applied" })));
});
