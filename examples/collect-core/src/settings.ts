import { env, kafkaSettings, logSettings, namingSettings, setting } from "@plugboard/runtime";

const { RESPONSES_TOPIC, CORE_COMMANDS_TOPIC } = namingSettings;

/** Everything this core is configured by. */
export const coreSettings = {
  PORT: setting(env.port().default(4300), "Port of the HTTP server."),
  DATABASE_URL: setting(
    env.url("postgres", "postgresql"),
    "Postgres; the core keeps its schema `collect_core` there.",
    {
      secret: true,
    },
  ),
  ...kafkaSettings,
  ...logSettings,
  RESPONSES_TOPIC,
  CORE_COMMANDS_TOPIC,
  MANAGER_URL: setting(env.url("http", "https").default("http://localhost:4000"), "The manager, for the sync path."),
  MANAGER_TOKEN: setting(env.token(), "Token of role core for the manager.", { secret: true }),
  SYNC_DEADLINE_MS: setting(
    env.integer(50, 30_000).default(3_000),
    "Longest a submission waits for the sync path, milliseconds.",
  ),
  SYNC_WHEN_DOWN: setting(
    env.oneOf(["open", "closed"]).default("open"),
    "Whether a submission is taken while the manager does not answer.",
  ),
  COMMANDS_GROUP_ID: setting(env.text().default("collect-core"), "Consumer group that reads the commands."),
  RESPONSES_PARTITIONS: setting(env.integer(1, 1_000).default(6), "Partitions of the topics this core creates."),
  RESPONSES_REPLICATION: setting(
    env.integer(1, 7).optional(),
    "Replicas of the topics this core creates; when unset, one per broker, at most 3.",
  ),
  RESPONSES_RETENTION_DAYS: setting(env.integer(1, 3_650).default(7), "How long `responses` is kept, days."),
};
