import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  createTestDatabase,
  type ServiceProcess,
  startProcess,
  testEnvironment,
  uniqueName,
  waitUntil,
} from "@plugboard/stack";
import { z } from "zod";
import { defineAction, definePlugin, type RunningPlugin, secret, startPlugin } from "../src/index.ts";
import { openStage, type PluginStage } from "./support/plugin-stage.ts";

const WAIT_MS = 45_000;
const ADMIN_TOKEN = "admin-token-of-this-test";
const PASSWORD = "correct-horse-battery-staple";

let stage: PluginStage;
let manager: ServiceProcess;
let managerUrl: string;
let managerDatabase: Awaited<ReturnType<typeof createTestDatabase>>;
let plugin: RunningPlugin | null = null;
let keys: string;
const seen: unknown[] = [];

const definition = definePlugin({
  metadata: { id: "joined", name: "Joined", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({ password: secret(z.string()) }),
  onEvent: async (_delivery, { settings }) => {
    seen.push(settings);
    return undefined;
  },
  execute: {
    deadlineMs: 1_000,
    run: async (_request, { settings }) => ({ outcome: "passed", output: settings.password.length }),
  },
  actions: { double: defineAction(z.object({ n: z.int() }), "Doubles.", async ({ n }) => n * 2) },
  validateSettings: async ({ password }) => (password === "wrong" ? [{ path: "/password", message: "is wrong" }] : []),
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function ask(method: string, path: string, token: string, body?: unknown) {
  const response = await fetch(`${managerUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const mint = async (role: string, subject: string): Promise<string> =>
  String((await ask("POST", "/v1/tokens", ADMIN_TOKEN, { role, subject })).body.token);

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), "plugboard-keys-"));
  stage = await openStage("joined");
  managerDatabase = await createTestDatabase();
  const { kafkaBrokers, redisUrl } = testEnvironment();
  const port = await freePort();
  managerUrl = `http://127.0.0.1:${port}`;
  const env = { DATABASE_URL: managerDatabase.url, LOG_LEVEL: "info" };
  const migrated = await startProcess({ entry: "apps/manager/src/migrate.ts", name: "migrate", env });
  expect(await migrated.exited).toBe(0);
  manager = await startProcess({
    entry: "apps/manager/src/main.ts",
    name: "manager",
    env: {
      ...env,
      PORT: String(port),
      KAFKA_BROKERS: kafkaBrokers,
      REDIS_URL: redisUrl,
      PLUGBOARD_NAMESPACE: uniqueName("pb"),
      PLUGIN_TOPIC_PREFIX: stage.prefix,
      DELIVERIES_TOPIC: stage.topics.deliveries,
      CORE_COMMANDS_TOPIC: stage.topics.commands,
      PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
      PLUGBOARD_SIGNING_KEY: "a signing key of at least thirty-two bytes",
      REGISTRATION_CHANGES: "apply",
      TOPIC_PARTITIONS: "2",
    },
  });
  await waitUntil("the manager is ready", WAIT_MS, async () =>
    (await fetch(`${managerUrl}/readyz`).catch(() => null))?.ok ? true : undefined,
  );
}, 90_000);
afterAll(async () => {
  await plugin?.stop();
  await manager?.kill();
  await managerDatabase?.drop();
  await stage?.close();
  await rm(keys, { recursive: true, force: true });
});

test("a plugin and the real manager: registration, refused and applied settings, delivery, submit, action, goodbye", async () => {
  const team = "team-1";
  const teamToken = await mint("team", team);
  plugin = await startPlugin(
    definition,
    stage.environment({
      MANAGER_URL: managerUrl,
      MANAGER_TOKEN: await mint("plugin", "joined"),
      PLUGIN_KEYS_DIR: keys,
    }),
  );
  await plugin.ready(AbortSignal.timeout(WAIT_MS));
  const view = async () =>
    (await ask("GET", `/v1/teams/${team}/plugins/joined`, teamToken)).body as {
      status?: string;
      settings?: { state: string; reasons: unknown };
    };
  await waitUntil("the manager counts it up", WAIT_MS, async () => ((await view()).status === "up" ? true : undefined));

  const path = `/v1/teams/${team}/plugins/joined`;
  expect((await ask("PUT", path, teamToken, { enabled: true, mode: "both" })).status).toBeLessThan(300);
  const inState = (state: string) =>
    waitUntil(`settings are ${state}`, WAIT_MS, async () => {
      const { settings } = await view();
      return settings?.state === state ? settings : undefined;
    });
  await ask("PUT", `${path}/config`, teamToken, { password: "wrong" });
  expect((await inState("refused")).reasons).toEqual([{ path: "/password", message: "is wrong" }]);

  stage.manager.enable(team);
  const kept = await stage.route({ team, response: "r-1" });
  await waitUntil("the delivery is kept", WAIT_MS, async () => {
    const rows = await stage.query("SELECT 1 FROM retries WHERE delivery_id = $1", [kept]);
    return rows[0];
  });
  await ask("PUT", `${path}/config`, teamToken, { password: PASSWORD });
  await inState("applied");
  expect(await stage.settled(kept)).toBe("delivered");
  expect(seen).toEqual([{ password: PASSWORD }]);
  expect(JSON.stringify(await stage.query("SELECT * FROM team_settings"))).not.toContain(PASSWORD);

  const submit = { id: "e-1", team_id: team, event: "onResponse", response_id: "r-2", data: { answers: {} } };
  const processed = await ask("POST", "/v1/process", await mint("core", "core"), submit);
  expect(processed.body).toMatchObject({ accepted: true, results: [{ outcome: "passed", output: PASSWORD.length }] });
  expect((await ask("POST", `${path}/actions/double`, teamToken, { n: 21 })).body).toEqual({ output: 42 });

  await plugin.stop();
  await waitUntil("the manager counts it down", WAIT_MS, async () =>
    (await view()).status === "down" ? true : undefined,
  );
  expect(manager.logs()).not.toContain(PASSWORD);
}, 120_000);
