import {
  type Environment,
  env,
  kafkaSettings,
  loadSettings,
  logSettings,
  namingSettings,
  safetySettings,
  setting,
  tracingSettings,
} from "@plugboard/runtime";
import type { RetryLimits } from "../delivery/retry-schedule.ts";
import type { ResourceMap } from "../resources/resource.ts";
import { resourceEnvironment, settingsByResource } from "../resources/resource-settings.ts";

const DAY_MS = 86_400_000;

/** What every plugin process is configured by; a plugin's own `{SERVICE}_{PREFIX}_{NAME}` come on top. */
export const pluginEnvironment = {
  PORT: setting(env.port().default(4200), "Port of the plugin's HTTP surface; 0 takes any free one."),
  PLUGIN_URL: setting(
    env.url("http", "https").optional(),
    "How the manager reaches this plugin; http://127.0.0.1:<port> when unset.",
  ),
  MANAGER_URL: setting(env.url("http", "https").default("http://localhost:4000"), "Where the manager is."),
  MANAGER_TOKEN: setting(env.token(), "Token of role plugin, from the manager's POST /v1/tokens.", { secret: true }),
  DATABASE_URL: setting(env.url("postgres", "postgresql"), "Postgres; the plugin keeps to its own schema in it.", {
    secret: true,
  }),
  REDIS_URL: setting(
    env.url("redis", "rediss").optional(),
    "The routing table's Redis; without it the manager is asked.",
    { secret: true },
  ),
  PLUGIN_PRIVATE_KEY: setting(
    env.text().optional(),
    "Private key as JWK that teams' secrets are sealed to, or a JWK Set, the newest first, while keys are rotated; in development one is made and kept under PLUGIN_KEYS_DIR.",
    { secret: true },
  ),
  PLUGIN_KEYS_DIR: setting(env.text().default(".plugboard/keys"), "Directory of development keys."),
  NODE_ENV: setting(env.text().optional(), "With production, a key has to be given where one is needed."),
  EVENT_SOURCE: setting(env.text().default("core"), "Source of events that name none."),
  PLUGIN_GROUP_ID: setting(
    env.text().optional(),
    "Consumer group of the live lane; plugboard.<plugin id> when unset. The other lanes' have .priority and .bulk behind it.",
  ),
  PLUGIN_SESSION_TIMEOUT_MS: setting(
    env.integer(6_000, 300_000).default(30_000),
    "How long Kafka waits for a silent instance before others take its partitions, milliseconds.",
  ),
  PLUGIN_CONCURRENCY: setting(
    env.integer(1, 1_000).default(16),
    "Deliveries handled at once by one process, one team's at most half of them; calls under way for more than 3 s count no longer.",
  ),
  PLUGIN_HANDLER_DEADLINE_MS: setting(
    env.integer(100, 3_600_000).optional(),
    "Deadline of one handler call, milliseconds; what the plugin declares when unset. What a killed process had begun is free 5 s later.",
  ),
  PLUGIN_START_MS: setting(
    env.integer(1_000, 3_600_000).default(120_000),
    "How long each phase of the start, PreStart and OnStart, may take, milliseconds; then the process ends with 1.",
  ),
  PLUGIN_DRAIN_MS: setting(
    env.integer(0, 600_000).default(10_000),
    "How long handlers may go on when the process stops, milliseconds; then they are aborted.",
  ),
  PLUGIN_RETRY_DELAY_MS: setting(
    env.integer(1, DAY_MS).default(2_000),
    "Delay before the second attempt, milliseconds; it doubles with each, with jitter.",
  ),
  PLUGIN_RETRY_DELAY_MS_MAX: setting(
    env.integer(1, DAY_MS).default(3_600_000),
    "Longest delay between attempts, milliseconds.",
  ),
  PLUGIN_RETRY_ATTEMPTS_MAX: setting(
    env.integer(1, 100).default(14),
    "Attempts before a delivery becomes a dead letter; with the default delays that is about three hours.",
  ),
  PLUGIN_RETRY_AGE_MS_MAX: setting(
    env.integer(1_000, 30 * DAY_MS).default(DAY_MS),
    "How long a failing delivery is retried at most, milliseconds since it was first put off.",
  ),
  PLUGIN_BREAKER_TEAM_FAILURES: setting(
    env.integer(1, 1_000).default(5),
    "Different deliveries of a team that fail in a row, in one process, before the team is parked.",
  ),
  PLUGIN_BREAKER_TEAMS: setting(
    env.integer(1, 1_000).default(8),
    "Different teams that fail in a row, none between them succeeding, before the plugin's deliveries wait in their topic.",
  ),
  PLUGIN_BREAKER_OPEN_MS: setting(
    env.integer(10, DAY_MS).default(250),
    "How long a breaker is open before one delivery tries, milliseconds; twice as long each time in a row.",
  ),
  PLUGIN_BREAKER_OPEN_MS_MAX: setting(
    env.integer(10, DAY_MS).default(30_000),
    "Longest time that a breaker is open before one delivery tries, milliseconds.",
  ),
  ...kafkaSettings,
  ...namingSettings,
  ...safetySettings,
  ...logSettings,
  ...tracingSettings,
};

/** The values of {@link pluginEnvironment}. */
export type PluginSettings = ReturnType<typeof loadPluginSettings>;

/**
 * Reads a plugin process's settings, its resources' among them.
 * @throws SettingsError with every problem of all of them; Error when the resources are not declared well.
 */
export function loadPluginSettings(plugin: string, environment: Environment, resources: ResourceMap = {}) {
  const shape = { ...pluginEnvironment, ...resourceEnvironment(plugin, resources) };
  const settings = loadSettings(plugin, shape as typeof pluginEnvironment, environment);
  return { ...settings, resources: settingsByResource(plugin, resources, settings) };
}

/** How what fails is tried again. */
export function retryLimits(settings: PluginSettings): RetryLimits {
  return {
    delayMs: settings.PLUGIN_RETRY_DELAY_MS,
    delayMsMax: settings.PLUGIN_RETRY_DELAY_MS_MAX,
    attemptsMax: settings.PLUGIN_RETRY_ATTEMPTS_MAX,
    ageMsMax: settings.PLUGIN_RETRY_AGE_MS_MAX,
  };
}
