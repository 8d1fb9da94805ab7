import { deadLetterTopic } from "@plugboard/contract";
import { createKafkaClient, DAY_MS, ensureTopics, type KafkaClient } from "@plugboard/kafka";
import {
  type Component,
  createRegistry,
  type HealthCheck,
  HttpServer,
  Lifecycle,
  type Logger,
} from "@plugboard/runtime";
import type { z } from "zod";
import { createPool, isDatabaseOutage, migrate } from "./adapters/database.ts";
import { PgFlags } from "./adapters/pg-flags.ts";
import { PgForms } from "./adapters/pg-forms.ts";
import { PgOutbox } from "./adapters/pg-outbox.ts";
import { PgResponses } from "./adapters/pg-responses.ts";
import { createApp } from "./http/app.ts";
import { type CoreMetrics, createMetrics } from "./metrics.ts";
import { CommandConsumer } from "./pipeline/command-consumer.ts";
import { OutboxRelay } from "./pipeline/outbox-relay.ts";
import { PlugboardSync, type SyncVerdict } from "./plugboard-sync.ts";
import type { coreSettings } from "./settings.ts";

/** After this a member that was killed leaves the group, milliseconds; three heartbeats. */
const SESSION_TIMEOUT_MS = 10_000;
/** How long a fetch waits for commands, milliseconds: a stop waits for it. */
const FETCH_WAIT_MS = 500;

export type CoreSettings = Readonly<z.infer<z.ZodObject<typeof coreSettings>>>;

/** The core, wired and not started. `port` answers once it is. */
export function composeCore(settings: CoreSettings, logger: Logger) {
  const pool = createPool(settings.DATABASE_URL);
  // An idle connection that breaks is replaced by the pool; unheard, its error would end the process.
  pool.on("error", (error) => logger.warn({ error }, "a database connection was lost"));
  const kafka = createKafkaClient("collect-core", settings, logger);
  const producer = kafka.producer();
  const outbox = new PgOutbox(pool);
  const registry = createRegistry();
  const metrics = createMetrics(registry, outbox);
  const flags = new PgFlags(pool);
  const relay = new OutboxRelay({ outbox, sink: producer, topic: settings.RESPONSES_TOPIC, metrics, logger });
  const commands = new CommandConsumer({
    consumer: kafka.consumer({
      groupId: settings.COMMANDS_GROUP_ID,
      sessionTimeout: SESSION_TIMEOUT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      retry: { restartOnFailure: async () => true },
    }),
    topic: settings.CORE_COMMANDS_TOPIC,
    flags,
    sendDeadLetter: (topic, letter) => producer.send(topic, [letter]),
    metrics,
    logger,
  });
  const plugboard = createSync(settings, metrics, logger);
  const database: HealthCheck = {
    name: "postgres",
    critical: true,
    problem: async () => {
      await pool.query("SELECT 1");
      return null;
    },
  };
  const app = createApp({
    forms: new PgForms(pool),
    responses: new PgResponses(pool),
    flags,
    plugboard,
    stored: () => relay.wake(),
    metrics,
    registry,
    logger,
    checks: [database, relay.health, commands.health],
    isOutage: isDatabaseOutage,
  });
  const http = new HttpServer(app, settings.PORT);
  const components: Component[] = [
    { name: "database", start: () => migrate(pool), stop: () => pool.end() },
    { name: "topics", start: () => createTopics(kafka, settings) },
    { name: "producer", start: () => producer.connect(), stop: () => producer.disconnect() },
    relay,
    commands,
    { name: "sync-path", stop: () => plugboard.close() },
    http,
  ];
  return {
    lifecycle: new Lifecycle(components, { logger }),
    get port() {
      return http.port;
    },
  };
}

function createSync(settings: CoreSettings, metrics: CoreMetrics, logger: Logger): PlugboardSync {
  let last: SyncVerdict["status"] = "processed";
  return new PlugboardSync({
    managerUrl: settings.MANAGER_URL,
    token: settings.MANAGER_TOKEN,
    deadlineMs: settings.SYNC_DEADLINE_MS,
    whenDown: settings.SYNC_WHEN_DOWN,
    observe: (verdict, seconds) => {
      metrics.sync.observe({ status: verdict.status }, seconds);
      // One line per change, not per submission.
      if (verdict.status !== last) logger.warn({ sync: verdict.status, ...reasonOf(verdict) }, "the sync path changed");
      last = verdict.status;
    },
  });
}

function reasonOf(verdict: SyncVerdict): { reason?: string } {
  return verdict.status === "unavailable" ? { reason: verdict.reason } : {};
}

/** The topics this core writes and reads; the manager ensures the commands' too, whichever is first. */
async function createTopics(kafka: KafkaClient, settings: CoreSettings): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const shape = { partitions: settings.RESPONSES_PARTITIONS, replicationFactor: settings.RESPONSES_REPLICATION };
    const { RESPONSES_TOPIC: responses, CORE_COMMANDS_TOPIC: commands } = settings;
    await ensureTopics(admin, [
      { topic: responses, ...shape, retentionMs: settings.RESPONSES_RETENTION_DAYS * DAY_MS },
      { topic: commands, ...shape, retentionMs: 7 * DAY_MS },
      { topic: deadLetterTopic(commands), ...shape, partitions: 1, retentionMs: 30 * DAY_MS },
    ]);
  } finally {
    await admin.disconnect();
  }
}
