import { join } from "node:path";
import { createKafkaClient } from "@plugboard/kafka";
import { createLogger, createRegistry, Lifecycle, loadSettings } from "@plugboard/runtime";
import { createTestDatabase, testEnvironment, uniqueName } from "@plugboard/stack";
import { Redis } from "ioredis";
import { Client } from "pg";
import { applyMigrations } from "../src/adapters/migration-runner.ts";
import { composeManager, type Manager } from "../src/compose.ts";
import type { OpenApiDocument } from "../src/http/openapi-document.ts";
import { managerSettings } from "../src/settings.ts";
import { AnswerCheck } from "./answer-check.ts";

export const ADMIN_TOKEN = "admin-token-of-the-tests";
export const SIGNING_KEY = "signing-key-of-the-tests-32-bytes";
export const MIGRATIONS = join(import.meta.dirname, "../../../prisma/migrations");

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
  readonly headers: Headers;
}

/** A manager under test and a client for it. */
export interface TestManager {
  readonly manager: Manager;
  readonly url: string;
  /** As fetch, relative to the manager. @throws when the answer is not one that /openapi.json describes. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  call(method: string, path: string, body?: unknown, token?: string | null): Promise<Answer>;
  mint(role: string, subject: string): Promise<string>;
  stop(): Promise<void>;
}

/** Names and database of one test file: several managers may share them. */
export interface TestGround {
  readonly databaseUrl: string;
  readonly namespace: string;
  readonly topicPrefix: string;
  /** Looks into the database. */
  // biome-ignore lint/suspicious/noExplicitAny: rows of every shape.
  query(sql: string, values?: unknown[]): Promise<any[]>;
  /** @param actionDeadlineMs how long a plugin may take for an action; short, for some of the tests' plugins never answer. */
  start(environment?: Record<string, string>, actionDeadlineMs?: number): Promise<TestManager>;
  /** Stops every manager started here and drops the database. */
  clear(): Promise<void>;
}

export async function createGround(): Promise<TestGround> {
  const { kafkaBrokers, redisUrl } = testEnvironment();
  const database = await createTestDatabase();
  await applyMigrations(database.url, MIGRATIONS);
  const name = uniqueName("manager");
  const started: TestManager[] = [];
  const base = {
    PORT: "0",
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl,
    KAFKA_BROKERS: kafkaBrokers,
    PLUGBOARD_NAMESPACE: name,
    PLUGIN_TOPIC_PREFIX: `${name}.plugin.`,
    DELIVERIES_TOPIC: `${name}.deliveries`,
    CORE_COMMANDS_TOPIC: `${name}.commands`,
    PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
    PLUGBOARD_SIGNING_KEY: SIGNING_KEY,
    TOPIC_PARTITIONS: "2",
    DATABASE_CONNECTIONS_MAX: "8",
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? "silent",
  };
  return {
    databaseUrl: database.url,
    namespace: name,
    topicPrefix: base.PLUGIN_TOPIC_PREFIX,
    async query(sql, values = []) {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      try {
        return (await client.query(sql, values)).rows;
      } finally {
        await client.end();
      }
    },
    async start(environment = {}, actionDeadlineMs = 1_500) {
      const manager = await startManager({ ...base, ...environment }, actionDeadlineMs);
      started.push(manager);
      return manager;
    },
    async clear() {
      await Promise.all(started.map((manager) => manager.stop()));
      await Promise.all([database.drop(), removeKeys(redisUrl, name), removeTopics(kafkaBrokers, name)]);
    },
  };
}

async function startManager(environment: Record<string, string>, actionDeadlineMs: number): Promise<TestManager> {
  const settings = loadSettings("manager", managerSettings, environment);
  const logger = createLogger("manager", settings.LOG_LEVEL);
  const registry = createRegistry({ defaultMetrics: false });
  const manager = composeManager(settings, { logger, registry, actionDeadlineMs });
  const lifecycle = new Lifecycle(manager.components, { logger });
  await lifecycle.start();
  const url = `http://127.0.0.1:${manager.server.port}`;
  const check = new AnswerCheck((await (await fetch(`${url}/openapi.json`)).json()) as OpenApiDocument);
  // Every answer that a test gets goes through here, so every one is held against the document.
  const checkedFetch: TestManager["fetch"] = async (path, init = {}) => {
    const response = await fetch(`${url}${path}`, init);
    const { status, headers } = response;
    const method = init.method ?? "GET";
    const problems = check.problemsOf(method, path, { status, headers, text: await response.clone().text() });
    if (problems.length > 0)
      throw new Error(`${method} ${path} → ${status} is not as /openapi.json says:\n${problems.join("\n")}`);
    return response;
  };
  const call: TestManager["call"] = async (method, path, body, token = ADMIN_TOKEN) => {
    const response = await checkedFetch(path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: asJson(text) };
  };
  return {
    manager,
    url,
    fetch: checkedFetch,
    call,
    mint: async (role, subject) => (await call("POST", "/v1/tokens", { role, subject })).body.token,
    stop: () => lifecycle.stop(),
  };
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function removeKeys(redisUrl: string, namespace: string): Promise<void> {
  const redis = new Redis(redisUrl);
  const keys = await redis.keys(`{${namespace}}:*`);
  if (keys.length > 0) await redis.unlink(...keys);
  redis.disconnect();
}

async function removeTopics(brokers: string, prefix: string): Promise<void> {
  const settings = { KAFKA_BROKERS: brokers.split(","), KAFKA_TLS: false };
  const admin = createKafkaClient("test", settings, createLogger("test", "silent")).admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await admin.disconnect();
}

/** A registration that is accepted as it is; `change` replaces fields. */
export function registration(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "Fake",
    description: "A plugin of the tests",
    url: "http://127.0.0.1:9",
    version: "1.0.0",
    events: ["onResponse"],
    settings: { type: "object" },
    ...change,
  };
}

/** Polls until `condition` gives something that is neither undefined nor false. */
export async function eventually<T>(condition: () => Promise<T | undefined | false>, what: string): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
