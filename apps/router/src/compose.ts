import { deadLetterTopic, parkedGroup } from "@plugboard/contract";
import {
  createRoutingTable,
  managerRoutes,
  type RoutingTable,
  redisSafety,
  routingRedis,
} from "@plugboard/routing-table";
import {
  type Clock,
  type Component,
  createRegistry,
  type HealthCheck,
  HttpServer,
  type Logger,
  type SafetyQuestion,
  SparseLog,
  StartSafety,
  systemClock,
  Tracing,
} from "@plugboard/runtime";
import type { Registry } from "prom-client";
import { KafkaSink } from "./adapters/kafka-sink.ts";
import { KafkaSource } from "./adapters/kafka-source.ts";
import { registerParkedMetrics } from "./adapters/parked-metrics.ts";
import { ParkedReturn } from "./adapters/parked-return.ts";
import { ReturnProducer } from "./adapters/return-producer.ts";
import { ReturnTransactions } from "./adapters/return-transactions.ts";
import { createRouterMetrics } from "./adapters/router-metrics.ts";
import { prepareTopics } from "./adapters/router-topics.ts";
import { RouterTraces } from "./adapters/router-traces.ts";
import { registerSourceMetrics } from "./adapters/source-metrics.ts";
import { StatusReader } from "./adapters/status-reader.ts";
import { topicSafety } from "./adapters/topic-safety.ts";
import { TransactionalSink } from "./adapters/transactional-sink.ts";
import { ByteBudget } from "./domain/byte-budget.ts";
import type { RouterMetrics, Sink } from "./domain/ports.ts";
import { createOpsApp } from "./http/ops-app.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { BatchRouter } from "./pipeline/route-batch.ts";
import type { RouterSettings } from "./settings.ts";

/** Above the table's own staleness bound (5 s): by then routing waits. */
const TABLE_STALE_SECONDS_MAX = 10;
/** At least once a topic that cannot be written waits apart from the others: for longer than an election takes. */
const PARK_AFTER_MS = 10_000;

/** What /readyz of a router looks at, in one thread as in several. */
export const HEALTH_CHECKS = [
  { name: "partitions", critical: true },
  { name: "routing-table", critical: true },
  // Routing does without.
  { name: "parked-return", critical: false },
] as const;

/** What routes, without a surface. */
export interface Routing {
  /** In the order of their start. */
  readonly components: readonly Component[];
  readonly checks: readonly HealthCheck[];
  readonly status: StatusReader;
  readonly registry: Registry;
  readonly pipeline: Pipeline;
  readonly safety: StartSafety;
}

export interface Router extends Routing {
  readonly server: HttpServer;
}

interface RoutingOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly registry?: Registry;
  /** Stands in for the real one in tests. */
  readonly table?: RoutingTable;
}

/** A router that is one thread, with its surface. */
export function composeRouter(settings: RouterSettings, options: RoutingOptions): Router {
  const routing = composeRouting(settings, options);
  const { checks, registry, status } = routing;
  const app = createOpsApp(checks, registry, () => status.read(), options.logger);
  const server = new HttpServer(app, settings.PORT);
  return { ...routing, components: [server, ...routing.components], server };
}

/** The only wiring of what routes. */
export function composeRouting(settings: RouterSettings, options: RoutingOptions): Routing {
  const { logger, clock = systemClock, registry = createRegistry() } = options;
  const metrics = createRouterMetrics(registry);
  const { table, safety: tableSafety } =
    options.table === undefined ? createTable(settings, registry, logger) : { table: options.table, safety: [] };
  const safety = new StartSafety({ allowUnsafe: settings.PLUGBOARD_ALLOW_UNSAFE, registry, logger, clock });
  const responses = settings.RESPONSES_TOPIC;
  const parked = settings.ROUTER_PARKED_TOPIC;
  const exactlyOnce = settings.ROUTER_DELIVERY === "exactly-once";
  const source = new KafkaSource({
    kafka: settings,
    groupId: settings.ROUTER_GROUP_ID,
    topic: responses,
    instanceId: settings.ROUTER_INSTANCE_ID,
    commits: !exactlyOnce,
    budget: new ByteBudget(settings.ROUTER_IN_FLIGHT_BYTES, metrics.inFlightBytes),
    metrics,
    logger,
    clock,
  });
  registerSourceMetrics(registry, source, settings.ROUTER_IN_FLIGHT_BYTES);
  const sinkOptions = {
    kafka: settings,
    parkedTopic: parked,
    essential: new Set([deadLetterTopic(responses), settings.DELIVERIES_TOPIC, parked]),
    metrics,
    logger,
    clock,
  };
  const instance = settings.ROUTER_INSTANCE_ID;
  const sink: Sink =
    exactlyOnce && instance !== undefined
      ? new TransactionalSink({
          ...sinkOptions,
          parkAfterMs: settings.ROUTER_PARK_AFTER_MS,
          group: source.membership.consumer,
          transactionalId: `${settings.ROUTER_GROUP_ID}-${instance}`,
        })
      : new KafkaSink({ ...sinkOptions, parkAfterMs: settings.ROUTER_PARK_AFTER_MS ?? PARK_AFTER_MS });
  const keptTopics = {
    names: [responses, ...sinkOptions.essential],
    pluginPrefix: settings.PLUGIN_TOPIC_PREFIX,
    exactlyOnce,
  };
  const names = {
    pluginTopicPrefix: settings.PLUGIN_TOPIC_PREFIX,
    deliveriesTopic: settings.DELIVERIES_TOPIC,
    flatSource: settings.EVENT_SOURCE,
  };
  const router = new BatchRouter(table, names, metrics, clock, () => logger.isLevelEnabled("debug"));
  const prepared = Promise.withResolvers<void>();
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracing = new Tracing({ service: "plugboard-router", endpoint, logger, clock });
  const parkedReturn = createParkedReturn(settings, prepared.promise, metrics, logger, clock);
  registerParkedMetrics(registry, parkedReturn, clock);
  const pipeline = new Pipeline({
    prepare: async (signal) => {
      await Promise.all([prepareTopics(settings, { responses, parked }, logger, signal), table.start(signal)]);
      await safety.check([topicSafety(settings, keptTopics), ...tableSafety]);
      await sink.prepare(signal);
      prepared.resolve();
    },
    source,
    router,
    sink,
    metrics,
    traces: tracing.on ? new RouterTraces(tracing, settings.ROUTER_GROUP_ID) : null,
    logger,
    malformedLog: new SparseLog(logger, clock),
    now: clock.now,
  });
  const problems: Record<(typeof HEALTH_CHECKS)[number]["name"], HealthCheck["problem"]> = {
    partitions: () => pipeline.problem(),
    "routing-table": () => tableProblem(table),
    "parked-return": () => parkedReturn.problem(),
  };
  const checks = HEALTH_CHECKS.map((check): HealthCheck => ({ ...check, problem: problems[check.name] }));
  const status = new StatusReader({
    instance: settings.ROUTER_INSTANCE_ID ?? null,
    delivery: settings.ROUTER_DELIVERY,
    allowUnsafe: settings.PLUGBOARD_ALLOW_UNSAFE,
    group: settings.ROUTER_GROUP_ID,
    topic: responses,
    inFlightBytesMax: settings.ROUTER_IN_FLIGHT_BYTES,
    checks,
    registry,
    quotas: router.quotas,
    source,
    sink,
    table,
    safety,
    clock,
  });
  const tableComponent: Component = { name: "routing-table", stop: () => table.stop() };
  return {
    components: [
      tracing,
      status,
      safety,
      tableComponent,
      { name: "sink", stop: () => sink.stop() },
      pipeline,
      parkedReturn,
    ],
    checks,
    status,
    registry,
    pipeline,
    safety,
  };
}

/** Its group, and its transactional id, are named after the router's own; no instance can be called so. */
function createParkedReturn(
  settings: RouterSettings,
  ready: Promise<void>,
  metrics: RouterMetrics,
  logger: Logger,
  clock: Clock,
): ParkedReturn {
  const { ROUTER_INSTANCE_ID: instanceId, ROUTER_PARKED_TOPIC: parkedTopic } = settings;
  const exactlyOnce = settings.ROUTER_DELIVERY === "exactly-once" && instanceId !== undefined;
  const writer = { kafka: settings, parkedTopic, metrics, logger };
  const transactionalId = `${settings.ROUTER_GROUP_ID}-${instanceId}~parked`;
  return new ParkedReturn({
    kafka: settings,
    groupId: parkedGroup(settings.ROUTER_GROUP_ID),
    instanceId,
    names: {
      parkedTopic,
      pluginTopicPrefix: settings.PLUGIN_TOPIC_PREFIX,
      deadLetters: deadLetterTopic(settings.RESPONSES_TOPIC),
    },
    createWriter: (group, isNarrow) =>
      exactlyOnce
        ? new ReturnTransactions({ ...writer, group, isNarrow, transactionalId })
        : new ReturnProducer({ ...writer, isNarrow }),
    ready,
    metrics,
    logger,
    clock,
  });
}

function createTable(
  settings: RouterSettings,
  registry: Registry,
  logger: Logger,
): { readonly table: RoutingTable; readonly safety: readonly SafetyQuestion[] } {
  const redis = routingRedis(settings.REDIS_URL);
  const table = createRoutingTable({
    redis,
    namespace: settings.PLUGBOARD_NAMESPACE,
    fetchRoutes: managerRoutes({ managerUrl: settings.MANAGER_URL, token: settings.MANAGER_TOKEN }),
    registry,
    logger,
    l1TeamsMax: settings.ROUTER_TEAMS_KEPT,
  });
  return { table, safety: [redisSafety(redis, settings.PLUGBOARD_NAMESPACE)] };
}

function tableProblem(table: RoutingTable): string | null {
  const seconds = table.stalenessSeconds();
  if (seconds === Number.POSITIVE_INFINITY) return "neither Redis nor the manager has answered yet";
  return seconds > TABLE_STALE_SECONDS_MAX ? `last known to be current ${seconds.toFixed(0)} s ago` : null;
}
