import {
  type Environment,
  env,
  kafkaSettings,
  loadSettings,
  logSettings,
  namingSettings,
  SettingsError,
  safetySettings,
  setting,
  tracingSettings,
} from "@plugboard/runtime";

/** More share no topic of a usual size; then it is time for a second router anyway. */
const THREADS_MAX = 32;

/** Every setting of the router; docs/configuration.md is generated from this. */
export const routerSettings = {
  ...kafkaSettings,
  ...namingSettings,
  ...logSettings,
  ...safetySettings,
  ...tracingSettings,
  PORT: setting(env.port().default(4100), "Port of /status, /healthz, /readyz and /metrics."),
  REDIS_URL: setting(env.url("redis", "rediss"), "Redis with the routing table.", { secret: true }),
  MANAGER_URL: setting(
    env.url("http", "https").default("http://localhost:4000"),
    "The manager, asked when Redis cannot answer.",
  ),
  MANAGER_TOKEN: setting(env.text(), "Token of the role router, from POST /v1/tokens.", { secret: true }),
  ROUTER_GROUP_ID: setting(
    env.text().default("plugboard-router"),
    "Consumer group that all routers of one installation share.",
  ),
  ROUTER_DELIVERY: setting(
    env.oneOf(["at-least-once", "exactly-once"]).default("at-least-once"),
    "exactly-once writes copies and offsets in one transaction; needs ROUTER_INSTANCE_ID.",
  ),
  ROUTER_INSTANCE_ID: setting(
    env
      .text()
      .regex(/^[A-Za-z0-9._-]{1,100}$/, "must be 1 to 100 of A-Z a-z 0-9 . _ -")
      .optional(),
    "Stable and different for each instance: static group membership and transactional id. Threads add `.1`, `.2`, … to it.",
  ),
  ROUTER_PARKED_TOPIC: setting(
    env.text().default("router.parked"),
    "Topic for copies whose own topic cannot be written.",
  ),
  ROUTER_THREADS: setting(
    env.integer(1, THREADS_MAX).default(1),
    "Threads that route, each a member of the group as another router would be: one for each core that this process may fill.",
  ),
  ROUTER_IN_FLIGHT_BYTES: setting(
    env.integer(1_048_576, 4_294_967_296).default(67_108_864),
    "Memory for records read and not settled, bytes, of all threads together; fetching pauses beyond it.",
  ),
  ROUTER_TEAMS_KEPT: setting(
    env.integer(1_000, 2_000_000).default(50_000),
    "Teams of the routing table that each thread keeps in memory, about 2 KB each. Fewer than are active at a time cost a question to Redis for each batch.",
  ),
  ROUTER_PARK_AFTER_MS: setting(
    env.integer(100, 600_000).optional(),
    "How long a plugin's topic may be unwritable before its copies are parked, milliseconds. Unset: 10000, but exactly-once, where all plugins wait, 250 for a topic that brokers themselves show to be gone, leaderless or short of replicas.",
  ),
  EVENT_SOURCE: setting(env.text().default("core"), "Source of flat events that name none."),
};

export type RouterSettings = ReturnType<typeof loadSettings<typeof routerSettings>>;

/** @throws SettingsError with every problem. */
export function loadRouterSettings(environment: Environment): RouterSettings {
  const settings = loadSettings("router", routerSettings, environment);
  if (settings.ROUTER_DELIVERY === "exactly-once" && settings.ROUTER_INSTANCE_ID === undefined)
    throw new SettingsError("router", [
      "ROUTER_INSTANCE_ID is required with ROUTER_DELIVERY=exactly-once (stable and different for each instance)",
    ]);
  return settings;
}
