import { createKafkaClient } from "@plugboard/kafka";
import { compileFilter } from "@plugboard/routing-table";
import {
  type Clock,
  type Component,
  createRegistry,
  type HealthCheck,
  HttpServer,
  type Logger,
  systemClock,
} from "@plugboard/runtime";
import type { Redis } from "ioredis";
import type { Registry } from "prom-client";
import { JoseSealer } from "./adapters/jose-sealer.ts";
import { JoseTokens } from "./adapters/jose-tokens.ts";
import { KafkaTopicStore } from "./adapters/kafka-topic-store.ts";
import { CHANNEL } from "./adapters/notifications.ts";
import { PluginHttpClient } from "./adapters/plugin-http-client.ts";
import { PostgresListener } from "./adapters/postgres-listener.ts";
import { createDatabase, type Database } from "./adapters/prisma-database.ts";
import { PrismaInitializeQueue } from "./adapters/prisma-initialize-queue.ts";
import { PrismaPluginStore } from "./adapters/prisma-plugin-store.ts";
import { PrismaRoutingStore } from "./adapters/prisma-routing-store.ts";
import { PrismaTeamStore } from "./adapters/prisma-team-store.ts";
import { PrismaTopicDeletions } from "./adapters/prisma-topic-deletions.ts";
import { createManagerMetrics } from "./adapters/prometheus-metrics.ts";
import { createRedis } from "./adapters/redis-connection.ts";
import { RedisLeaseStore } from "./adapters/redis-lease-store.ts";
import { RedisRoutingTable } from "./adapters/redis-routing-table.ts";
import { PluginService } from "./domain/plugin-service.ts";
import type { FilterCheck } from "./domain/ports.ts";
import { TeamService } from "./domain/team-service.ts";
import { createApp } from "./http/app.ts";
import { platformRoutes } from "./http/platform-routes.ts";
import { pluginRoutes } from "./http/plugin-routes.ts";
import { teamRoutes } from "./http/team-routes.ts";
import { historyPruner, SharedTopics, topicRemover } from "./pipeline/housekeeping.ts";
import { Initializer } from "./pipeline/initializer.ts";
import { Reconciler } from "./pipeline/reconciler.ts";
import { Relay } from "./pipeline/relay.ts";
import type { ManagerSettings } from "./settings.ts";

/** Connections of the loops behind the requests, so that busy requests cannot starve the relay. */
const BACKGROUND_CONNECTIONS_MAX = 6;

/** A manager, wired and not started: its components in the order of their start. */
export interface Manager {
  readonly components: readonly Component[];
  readonly server: HttpServer;
  readonly registry: Registry;
  readonly reconciler: Reconciler;
}

/** The only wiring of the manager. */
export function composeManager(
  settings: ManagerSettings,
  options: { readonly logger: Logger; readonly clock?: Clock; readonly registry?: Registry },
): Manager {
  const { logger, clock = systemClock, registry = createRegistry("manager") } = options;
  const database = createDatabase(settings.DATABASE_URL, settings.DATABASE_CONNECTIONS_MAX, logger);
  const background = createDatabase(settings.DATABASE_URL, BACKGROUND_CONNECTIONS_MAX, logger);
  const redis = createRedis(settings.REDIS_URL, logger);
  const routing = new PrismaRoutingStore(background);
  const initializes = new PrismaInitializeQueue(background);
  const metrics = createManagerMetrics(registry, {
    routing: () => routing.backlog(),
    initialize: () => initializes.backlog(),
  });
  const table = new RedisRoutingTable(redis, settings.PLUGBOARD_NAMESPACE);
  const reconciler: Reconciler = new Reconciler({
    store: routing,
    table,
    onRebuilt: () => relay.wake(),
    clock,
    metrics,
    logger,
  });
  const relay: Relay = new Relay({ store: routing, table, onLost: () => reconciler.wake(), clock, metrics, logger });
  const calls = new PluginHttpClient({ signingKey: settings.PLUGBOARD_SIGNING_KEY, clock, metrics });
  const initializer = new Initializer({
    queue: initializes,
    calls,
    onSettled: () => relay.wake(),
    clock,
    metrics,
    logger,
  });
  const topics = new KafkaTopicStore(createKafkaClient("plugboard-manager", settings, logger), {
    prefix: settings.PLUGIN_TOPIC_PREFIX,
    deliveries: settings.DELIVERIES_TOPIC,
    commands: settings.CORE_COMMANDS_TOPIC,
    partitions: settings.TOPIC_PARTITIONS,
    replication: settings.TOPIC_REPLICATION,
  });
  const sharedTopics = new SharedTopics({ topics, clock, logger });
  const tokens = new JoseTokens({
    adminToken: settings.PLUGBOARD_ADMIN_TOKEN,
    signingKey: settings.PLUGBOARD_SIGNING_KEY,
    clock,
  });
  const plugins = new PrismaPluginStore(database);
  const teams = new PrismaTeamStore(database);
  const deletions = new PrismaTopicDeletions(background);
  const sealer = new JoseSealer();
  const pluginService = new PluginService({
    plugins,
    teams,
    leases: new RedisLeaseStore(redis, settings.PLUGBOARD_NAMESPACE),
    topics,
    deletions,
    initializes,
    calls,
    sealer,
    publication: relay,
    clock,
    logger,
    changesWait: settings.REGISTRATION_CHANGES === "approve",
  });
  const teamService = new TeamService({
    teams,
    sealer,
    publication: relay,
    checkFilter,
    onSettings: () => initializer.wake(),
  });
  const app = createApp({
    routes: [
      ...pluginRoutes({ service: pluginService, plugins, teams }),
      ...teamRoutes({ teams: teamService, plugins: pluginService }),
      ...platformRoutes({ routing: new PrismaRoutingStore(database), tokens }),
    ],
    tokens,
    metrics,
    registry,
    checks: healthChecks(database, redis, reconciler, sharedTopics),
    logger,
    trustedProxies: settings.TRUSTED_PROXIES,
  });
  const server = new HttpServer(app, settings.PORT);
  const listener = new PostgresListener(
    settings.DATABASE_URL,
    { [CHANNEL.routing]: () => relay.wake(), [CHANNEL.initialize]: () => initializer.wake() },
    logger,
  );
  return {
    server,
    registry,
    reconciler,
    components: [
      databaseComponent("database", database),
      databaseComponent("background-database", background),
      redisComponent(redis, logger),
      reconciler,
      relay,
      listener,
      initializer,
      sharedTopics,
      topicRemover({ deletions, topics, clock, logger }),
      historyPruner({ routing, days: settings.ROUTING_HISTORY_DAYS, clock, logger }),
      server,
    ],
  };
}

const checkFilter: FilterCheck = (expression) => {
  const result = compileFilter(expression);
  return result.ok ? null : result.problem;
};

function healthChecks(
  database: Database,
  redis: Redis,
  reconciler: Reconciler,
  sharedTopics: SharedTopics,
): HealthCheck[] {
  return [
    {
      name: "postgres",
      critical: true,
      problem: async () => {
        await database.$queryRaw`SELECT 1`;
        return null;
      },
    },
    // Without Redis the manager goes on: changes wait in the outbox, routers ask it instead.
    {
      name: "redis",
      critical: false,
      problem: () => reconciler.unfit ?? (redis.status === "ready" ? null : `the connection is ${redis.status}`),
    },
    { name: "kafka", critical: false, problem: () => sharedTopics.problem },
  ];
}

function databaseComponent(name: string, database: Database): Component {
  return {
    name,
    start: async () => {
      await database.$queryRaw`SELECT 1`;
    },
    stop: () => database.$disconnect(),
  };
}

/** A Redis that does not answer at start is waited for in the background. */
function redisComponent(redis: Redis, logger: Logger): Component {
  return {
    name: "redis",
    start: () =>
      redis.connect().catch((error) => logger.warn({ error }, "Redis does not answer yet; going on without")),
    stop: async () => redis.disconnect(),
  };
}
