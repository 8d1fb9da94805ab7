import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createTestDatabase, type ServiceProcess, startProcess, startRedis, testEnvironment } from "@plugboard/stack";

// `npm start -- --once --json` as it is, on the tests' Kafka, with a database and a Redis of its own.
const directory = mkdtempSync(join(tmpdir(), "plugboard-start-"));
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let redis: Awaited<ReturnType<typeof startRedis>>;
let demo: ServiceProcess | undefined;

beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), startRedis()]);
}, 60_000);
afterAll(async () => {
  await demo?.kill();
  await Promise.all([database.drop(), redis.stop()]);
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

test("npm start -- --once --json delivers the 54 real questionnaires and leaves with 0", async () => {
  demo = await startProcess({
    name: "npm start",
    entry: "examples/demo/src/main.ts",
    args: ["--once", "--json", "--directory", directory],
    env: { KAFKA_BROKERS: testEnvironment().kafkaBrokers, DATABASE_URL: database.url, REDIS_URL: redis.url },
  });
  const status = await demo.exited;
  const lines = demo.logs().trimEnd().split("\n");
  if (status !== 0) throw new Error(`it left with ${status}:\n${lines.slice(-60).join("\n")}`);
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({
    responses: 54,
    routed: { "google-sheets": 36, sms: 22, validator: 36 },
    delivered: { "google-sheets": 36, sms: 22, validator: 36 },
    flagged: 4,
    failed: 0,
    lost: 0,
    duplicates: 0,
    misrouted: 0,
  });
  const written = JSON.parse(readFileSync(join(directory, "dev.json"), "utf8")) as { tokens: { teams: object } };
  expect(Object.keys(written.tokens.teams)).toEqual(["nutrition-kenya", "heart-study-ghana", "smoke-free-peru"]);
}, 180_000);
