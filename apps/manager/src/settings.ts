import { env, kafkaSettings, logSettings, namingSettings, safetySettings, setting } from "@plugboard/runtime";
import type { z } from "zod";

/** What every tool of the manager needs. */
export const storeSettings = {
  DATABASE_URL: setting(env.url("postgres", "postgresql"), "The manager's database (PostgreSQL).", { secret: true }),
  REDIS_URL: setting(env.url("redis", "rediss"), "Redis, which holds the routing table and the instances' leases.", {
    secret: true,
  }),
  PLUGBOARD_NAMESPACE: namingSettings.PLUGBOARD_NAMESPACE,
  ...safetySettings,
  ...logSettings,
};

/** The manager's environment. */
export const managerSettings = {
  PORT: setting(env.port().default(4000), "Port of the HTTP API."),
  ...storeSettings,
  ...kafkaSettings,
  RESPONSES_TOPIC: namingSettings.RESPONSES_TOPIC,
  PLUGIN_TOPIC_PREFIX: namingSettings.PLUGIN_TOPIC_PREFIX,
  DELIVERIES_TOPIC: namingSettings.DELIVERIES_TOPIC,
  CORE_COMMANDS_TOPIC: namingSettings.CORE_COMMANDS_TOPIC,
  EVENT_SOURCE: setting(env.text().default("core"), "Source of flat events that name none; as the routers have it."),
  PLUGBOARD_ADMIN_TOKEN: setting(
    env.token().min(16, "must have at least 16 characters"),
    "The admin's bearer token, which mints all others; at least 16 characters.",
    { secret: true },
  ),
  PLUGBOARD_SIGNING_KEY: setting(
    env.text().refine((value) => Buffer.byteLength(value) >= 32, "must have at least 32 bytes"),
    "Signs tokens and calls to plugins; at least 32 bytes. Changing it invalidates every token.",
    { secret: true },
  ),
  TOPIC_PARTITIONS: setting(env.integer(1, 1_000).default(6), "Partitions of topics the manager creates."),
  TOPIC_REPLICATION: setting(
    env.integer(1, 10).optional(),
    "Replicas of topics the manager creates; when unset, one per broker, at most 3.",
  ),
  REGISTRATION_CHANGES: setting(
    env.oneOf(["approve", "apply"]).default("approve"),
    "Whether a plugin's change of its own url or key waits for an admin (approve) or counts at once (apply).",
  ),
  DATABASE_CONNECTIONS_MAX: setting(
    env.integer(2, 500).default(20),
    "Most database connections for requests; the loops behind them use up to 6 more.",
  ),
  ROUTING_HISTORY_DAYS: setting(
    env.integer(1, 3_650).default(30),
    "How long superseded routing entries are kept, to explain old deliveries, in days.",
  ),
  TRUSTED_PROXIES: setting(
    env.integer(0, 10).default(0),
    "How many proxies in front of the manager are trusted to name the caller's address.",
  ),
};

export type ManagerSettings = z.infer<z.ZodObject<typeof managerSettings>>;
