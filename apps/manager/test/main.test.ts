import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startProcess, testEnvironment } from "@plugboard/stack";
import { ADMIN_TOKEN, createGround, SIGNING_KEY, type TestGround } from "./test-manager.ts";

const entry = "apps/manager/src/main.ts";
let ground: TestGround;
beforeAll(async () => {
  ground = await createGround();
});
afterAll(() => ground.clear());

test("an environment that is wrong is told with every problem, no secret, and status 1", async () => {
  const manager = await startProcess({
    entry,
    name: "manager",
    env: { PORT: "many", KAFKA_BROKERS: "", TOPIC_PARTITIONS: "0", PLUGBOARD_SIGNING_KEY: "too-short" },
  });
  expect(await manager.exited).toBe(1);
  for (const name of [
    "PORT must be",
    "KAFKA_BROKERS must",
    "TOPIC_PARTITIONS must",
    "PLUGBOARD_SIGNING_KEY must have at least 32 bytes",
    "DATABASE_URL is required",
    "REDIS_URL is required",
    "PLUGBOARD_ADMIN_TOKEN is required",
  ])
    expect(manager.logs()).toContain(name);
  expect(manager.logs()).not.toContain("too-short");
  expect(manager.logs()).not.toMatch(/\n\s+at /);
});

test.each(["migrate", "rebuild-routes"])("so it is by %s, and no stack with it", async (tool) => {
  const env = { DATABASE_URL: "mysql://x", REDIS_URL: "redis://127.0.0.1:1", LOG_LEVEL: "loud" };
  const { exited, logs } = await startProcess({ entry: `apps/manager/src/${tool}.ts`, name: tool, env });
  expect(await exited).toBe(1);
  for (const name of ["DATABASE_URL must", "LOG_LEVEL must"]) expect(logs()).toContain(name);
  expect(logs()).not.toMatch(/\n\s+at /);
});

test("it logs its settings without secrets, and drains on SIGTERM with status 0", async () => {
  const { kafkaBrokers, redisUrl } = testEnvironment();
  const manager = await startProcess({
    entry,
    name: "manager",
    env: {
      PORT: "0",
      DATABASE_URL: ground.databaseUrl,
      REDIS_URL: redisUrl,
      KAFKA_BROKERS: kafkaBrokers,
      PLUGBOARD_NAMESPACE: ground.namespace,
      PLUGIN_TOPIC_PREFIX: ground.topicPrefix,
      DELIVERIES_TOPIC: `${ground.namespace}.deliveries`,
      CORE_COMMANDS_TOPIC: `${ground.namespace}.commands`,
      PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
      PLUGBOARD_SIGNING_KEY: SIGNING_KEY,
    },
  });
  await manager.waitForLog(/routing table rebuilt/, 30_000);
  await manager.kill("SIGTERM");
  expect(await manager.exited).toBe(0);
  for (const secret of [ADMIN_TOKEN, SIGNING_KEY, ground.databaseUrl]) expect(manager.logs()).not.toContain(secret);
  expect(manager.logs()).toContain('"PLUGBOARD_ADMIN_TOKENConfigured":true');
});
