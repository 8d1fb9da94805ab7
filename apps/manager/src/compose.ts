import { deadLetterTopic } from "@plugboard/contract";
import { createKafkaClient } from "@plugboard/kafka";
import { compileFilter, createRoutingTable } from "@plugboard/routing-table";
import {
  type Clock,
  type Component,
  createRegistry,
  type HealthCheck,
  HttpServer,
  type Logger,
  systemClock,
} from "@plugboard/runtime";
import type { Registry } from "prom-client";
import { JoseSealer } from "./adapters/jose-sealer.ts";
import { JoseTokens } from "./adapters/jose-tokens.ts";
import { KafkaTopicStore } from "./adapters/kafka-topic-store.ts";
import { CHANNEL } from "./adapters/notifications.ts";
import { PluginHttpClient } from "./adapters/plugin-http-client.ts";
import { registerPluginMetrics } from "./adapters/plugin-metrics.ts";
import { PostgresListener } from "./adapters/postgres-listener.ts";
import { createDatabase, type Database, isDatabaseOutage } from "./adapters/prisma-database.ts";
import { PrismaInitializeQueue } from "./adapters/prisma-initialize-queue.ts";
import { PrismaPluginStore } from "./adapters/prisma-plugin-store.ts";
import { PrismaResealQueue } from "./adapters/prisma-reseal-queue.ts";
import { PrismaRoutingStore } from "./adapters/prisma-routing-store.ts";
import { PrismaTeamStore } from "./adapters/prisma-team-store.ts";
import { PrismaTellQueue } from "./adapters/prisma-tell-queue.ts";
import { PrismaTopicDeletions } from "./adapters/prisma-topic-deletions.ts";
import { createManagerMetrics } from "./adapters/prometheus-metrics.ts";
import { createRedis } from "./adapters/redis-connection.ts";
import { RedisLeaseStore } from "./adapters/redis-lease-store.ts";
import { RedisRoutingTable } from "./adapters/redis-routing-table.ts";
import { decideSync, TableRouteLookup } from "./adapters/table-route-lookup.ts";
import { ActionGateway } from "./domain/action-gateway.ts";
import { PluginService } from "./domain/plugin-service.ts";
import type { FilterCheck } from "./domain/ports.ts";
import { RouteTrial } from "./domain/route-trial.ts";
import { RoutingTableService } from "./domain/routing-table-service.ts";
import { SyncPath } from "./domain/sync-path.ts";
import { TeamService } from "./domain/team-service.ts";
import { createApp } from "./http/app.ts";
import { routeTable } from "./http/route-table.ts";
import { EnablementTeller } from "./pipeline/enablement-teller.ts";
import { historyPruner, SharedTopics, topicRemover } from "./pipeline/housekeeping.ts";
import { Initializer } from "./pipeline/initializer.ts";
import { Reconciler } from "./pipeline/reconciler.ts";
import { Relay } from "./pipeline/relay.ts";
import { Resealer } from "./pipeline/resealer.ts";
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

interface Ground {
  readonly settings: ManagerSettings;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly registry: Registry;
  /** How long a plugin's action may take; ten seconds unless said. */
  readonly actionDeadlineMs: number | undefined;
}

/**
 * The only wiring of the manager: adapters, then the loops behind the requests, then the HTTP side.
 * @param options what a test replaces; `registry` must be new for each manager.
 */
export function composeManager(
  settings: ManagerSettings,
  options: {
    readonly logger: Logger;
    readonly clock?: Clock;
    readonly registry?: Registry;
    readonly actionDeadlineMs?: number;
  },
): Manager {
  const { logger, clock = systemClock, registry = createRegistry() } = options;
  if (settings.PLUGBOARD_ALLOW_UNSAFE)
    logger.error("PLUGBOARD_ALLOW_UNSAFE is set: a Redis that evicts routes would be written to all the same");
  const ground: Ground = { settings, logger, clock, registry, actionDeadlineMs: options.actionDeadlineMs };
  const adapters = composeAdapters(ground);
  const pipeline = composePipeline(ground, adapters);
  const server = composeServer(ground, adapters, pipeline);
  const { database, background, redis } = adapters;
  return {
    server,
    registry,
    reconciler: pipeline.reconciler,
    components: [
      databaseComponent("database", database),
      databaseComponent("background-database", background),
      {
        name: "redis",
        // A Redis that does not answer at start is waited for in the background.
        start: () => redis.connect().catch((error) => logger.warn({ error }, "Redis does not answer yet; going on")),
        stop: async () => redis.disconnect(),
      },
      pipeline.reconciler,
      pipeline.relay,
      pipeline.listener,
      pipeline.initializer,
      pipeline.resealer,
      pipeline.teller,
      pipeline.sharedTopics,
      topicRemover({ ...adapters, clock, logger }),
      historyPruner({ ...adapters, days: settings.ROUTING_HISTORY_DAYS, clock, logger }),
      adapters.routes,
      server,
    ],
  };
}

type Adapters = ReturnType<typeof composeAdapters>;

function composeAdapters({ settings, logger, clock, registry }: Ground) {
  const database = createDatabase(settings.DATABASE_URL, settings.DATABASE_CONNECTIONS_MAX, logger);
  const background = createDatabase(settings.DATABASE_URL, BACKGROUND_CONNECTIONS_MAX, logger);
  const redis = createRedis(settings.REDIS_URL, logger);
  const namespace = settings.PLUGBOARD_NAMESPACE;
  const routing = new PrismaRoutingStore(background);
  const answers = new PrismaRoutingStore(database);
  const initializes = new PrismaInitializeQueue(background);
  const metrics = createManagerMetrics(registry, {
    routing: () => routing.backlog(),
    initialize: () => initializes.backlog(),
  });
  const leases = new RedisLeaseStore(redis, namespace);
  registerPluginMetrics(registry, background, leases);
  const readerRedis = createRedis(settings.REDIS_URL, logger);
  const table = createRoutingTable({
    redis: readerRedis,
    namespace,
    fetchRoutes: ({ teams = [], plugins = [] }) => answers.routes({ teams, plugins }),
    registry,
    logger,
  });
  return {
    database,
    background,
    redis,
    routing,
    answers,
    initializes,
    reseals: new PrismaResealQueue(background),
    tells: new PrismaTellQueue(background),
    metrics,
    table: new RedisRoutingTable(redis, namespace, settings.PLUGBOARD_ALLOW_UNSAFE),
    routes: new TableRouteLookup(table, readerRedis),
    leases,
    calls: new PluginHttpClient({ signingKey: settings.PLUGBOARD_SIGNING_KEY, clock, metrics }),
    topics: new KafkaTopicStore(createKafkaClient("plugboard-manager", settings, logger), {
      prefix: settings.PLUGIN_TOPIC_PREFIX,
      deliveries: settings.DELIVERIES_TOPIC,
      commands: settings.CORE_COMMANDS_TOPIC,
      partitions: settings.TOPIC_PARTITIONS,
      replication: settings.TOPIC_REPLICATION,
    }),
    tokens: new JoseTokens({
      adminToken: settings.PLUGBOARD_ADMIN_TOKEN,
      signingKey: settings.PLUGBOARD_SIGNING_KEY,
      clock,
    }),
    plugins: new PrismaPluginStore(database),
    teams: new PrismaTeamStore(database),
    deletions: new PrismaTopicDeletions(background),
    sealer: new JoseSealer(),
  };
}

type Pipeline = ReturnType<typeof composePipeline>;

function composePipeline({ settings, logger, clock }: Ground, adapters: Adapters) {
  const { routing: store, table, metrics, calls, initializes: queue, topics } = adapters;
  const reconciler: Reconciler = new Reconciler({
    store,
    table,
    onRebuilt: () => relay.wake(),
    clock,
    metrics,
    logger,
  });
  const relay: Relay = new Relay({ store, table, onLost: () => reconciler.wake(), clock, metrics, logger });
  const initializer = new Initializer({ queue, calls, onSettled: () => relay.wake(), clock, metrics, logger });
  const resealer = new Resealer({ queue: adapters.reseals, calls, clock, logger });
  const teller = new EnablementTeller({ queue: adapters.tells, calls, clock, logger });
  const listener = new PostgresListener(
    settings.DATABASE_URL,
    { [CHANNEL.routing]: () => relay.wake(), [CHANNEL.initialize]: () => initializer.wake() },
    logger,
  );
  return {
    reconciler,
    relay,
    initializer,
    resealer,
    teller,
    listener,
    sharedTopics: new SharedTopics({ topics, clock, logger }),
  };
}

function composeServer(ground: Ground, adapters: Adapters, pipeline: Pipeline): HttpServer {
  const { settings, logger, clock, registry } = ground;
  const { plugins, teams, tokens, metrics, calls, answers, routes } = adapters;
  const publication = pipeline.relay;
  const pluginService = new PluginService({
    ...adapters,
    publication,
    clock,
    logger,
    changesWait: settings.REGISTRATION_CHANGES === "approve",
  });
  const onSettings = () => pipeline.initializer.wake();
  const teamService = new TeamService({ teams, sealer: adapters.sealer, publication, checkFilter, onSettings });
  const app = createApp({
    routes: routeTable({
      registry: { service: pluginService, plugins, teams },
      teams: { teams: teamService, plugins: pluginService },
      trial: { teams: teamService, trial: composeTrial(settings, adapters) },
      gateway: {
        actions: new ActionGateway({ teams, calls, deadlineMs: ground.actionDeadlineMs }),
        syncPath: new SyncPath({ routes, decide: decideSync, calls, clock, flatSource: settings.EVENT_SOURCE }),
      },
      platform: { routing: answers, tokens },
      routingTable: {
        routingTable: new RoutingTableService({
          store: answers,
          table: adapters.table,
          rebuild: () => pipeline.reconciler.rebuild({ force: true }),
        }),
      },
    }),
    tokens,
    metrics,
    registry,
    checks: healthChecks(adapters, pipeline),
    logger,
    isOutage: isDatabaseOutage,
    trustedProxies: settings.TRUSTED_PROXIES,
  });
  return new HttpServer(app, settings.PORT);
}

function composeTrial(settings: ManagerSettings, { answers, table, topics }: Adapters): RouteTrial {
  return new RouteTrial({
    routing: answers,
    table,
    topics,
    checkFilter,
    deadLetters: deadLetterTopic(settings.RESPONSES_TOPIC),
    flatSource: settings.EVENT_SOURCE,
  });
}

const checkFilter: FilterCheck = (expression) => {
  const result = compileFilter(expression);
  return result.ok ? null : result.problem;
};

function healthChecks({ database, redis }: Adapters, { reconciler, sharedTopics }: Pipeline): HealthCheck[] {
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
