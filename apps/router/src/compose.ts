import { deadLetterTopic } from "@plugboard/contract";
import { createRoutingTable, managerRoutes, type RoutingTable, routingRedis } from "@plugboard/routing-table";
import {
  type Clock,
  type Component,
  createRegistry,
  type HealthCheck,
  HttpServer,
  type Logger,
  SparseLog,
  systemClock,
} from "@plugboard/runtime";
import type { Registry } from "prom-client";
import { KafkaSink } from "./adapters/kafka-sink.ts";
import { KafkaSource } from "./adapters/kafka-source.ts";
import { createRouterMetrics } from "./adapters/router-metrics.ts";
import { prepareTopics } from "./adapters/router-topics.ts";
import { registerSourceMetrics } from "./adapters/source-metrics.ts";
import { TransactionalSink } from "./adapters/transactional-sink.ts";
import { ByteBudget } from "./domain/byte-budget.ts";
import type { Sink } from "./domain/ports.ts";
import { createOpsApp } from "./http/ops-app.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { BatchRouter } from "./pipeline/route-batch.ts";
import type { RouterSettings } from "./settings.ts";

/** Above the table's own staleness bound (5 s): by then routing waits. */
const TABLE_STALE_SECONDS_MAX = 10;

export interface Router {
  /** In the order of their start. */
  readonly components: readonly Component[];
  readonly server: HttpServer;
  readonly registry: Registry;
  readonly pipeline: Pipeline;
}

/** The only wiring of the router. @param options.table stands in for the real one in tests. */
export function composeRouter(
  settings: RouterSettings,
  options: {
    readonly logger: Logger;
    readonly clock?: Clock;
    readonly registry?: Registry;
    readonly table?: RoutingTable;
  },
): Router {
  const { logger, clock = systemClock, registry = createRegistry() } = options;
  const metrics = createRouterMetrics(registry);
  const table = options.table ?? createTable(settings, registry, logger);
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
    parkAfterMs: settings.ROUTER_PARK_AFTER_MS,
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
          group: source.membership.consumer,
          transactionalId: `${settings.ROUTER_GROUP_ID}-${instance}`,
        })
      : new KafkaSink(sinkOptions);
  const names = {
    pluginTopicPrefix: settings.PLUGIN_TOPIC_PREFIX,
    deliveriesTopic: settings.DELIVERIES_TOPIC,
    flatSource: settings.EVENT_SOURCE,
  };
  const pipeline = new Pipeline({
    prepare: async (signal) => {
      await Promise.all([prepareTopics(settings, { responses, parked }, logger, signal), table.start(signal)]);
      await sink.prepare(signal);
    },
    source,
    router: new BatchRouter(table, names, metrics, clock, () => logger.isLevelEnabled("debug")),
    sink,
    metrics,
    logger,
    malformedLog: new SparseLog(logger, clock),
    now: clock.now,
  });
  const checks: HealthCheck[] = [
    { name: "partitions", critical: true, problem: () => pipeline.problem() },
    { name: "routing-table", critical: true, problem: () => tableProblem(table) },
  ];
  const server = new HttpServer(createOpsApp(checks, registry, logger), settings.PORT);
  const tableComponent: Component = { name: "routing-table", stop: () => table.stop() };
  return {
    components: [server, tableComponent, { name: "sink", stop: () => sink.stop() }, pipeline],
    server,
    registry,
    pipeline,
  };
}

function createTable(settings: RouterSettings, registry: Registry, logger: Logger): RoutingTable {
  return createRoutingTable({
    redis: routingRedis(settings.REDIS_URL),
    namespace: settings.PLUGBOARD_NAMESPACE,
    fetchRoutes: managerRoutes({ managerUrl: settings.MANAGER_URL, token: settings.MANAGER_TOKEN }),
    registry,
    logger,
  });
}

function tableProblem(table: RoutingTable): string | null {
  const seconds = table.stalenessSeconds();
  if (seconds === Number.POSITIVE_INFINITY) return "neither Redis nor the manager has answered yet";
  return seconds > TABLE_STALE_SECONDS_MAX ? `last known to be current ${seconds.toFixed(0)} s ago` : null;
}
