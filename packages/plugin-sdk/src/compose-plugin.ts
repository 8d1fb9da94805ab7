import { randomBytes } from "node:crypto";
import { type EventAttributes, type Flag, pluginIdSchema } from "@plugboard/contract";
import { createKafkaClient } from "@plugboard/kafka";
import { createRoutingTable, managerRoutes, redisSafety, routingRedis } from "@plugboard/routing-table";
import {
  type Component,
  createLogger,
  createRegistry,
  type Environment,
  HttpServer,
  type Lifecycle,
  type Logger,
  SparseLog,
  StartSafety,
  systemClock,
  Tracing,
} from "@plugboard/runtime";
import { ConstantBackoff, handleAll, retry } from "cockatiel";
import type { z } from "zod";
import { deliveryComponents } from "./compose-delivery.ts";
import type { PluginDefinition } from "./define-plugin.ts";
import { wakeTeam } from "./delivery/wake-team.ts";
import { Drain } from "./drain.ts";
import { composeEnablements } from "./enablement/compose-enablements.ts";
import type { EnablementLoop } from "./enablement/enablement-loop.ts";
import type { ContextParts } from "./handlers/handler-context.ts";
import { sendFlags } from "./handlers/send-flags.ts";
import { healthChecks } from "./health-checks.ts";
import { pluginApp, settingsCheck } from "./http/plugin-app.ts";
import { KafkaConnections } from "./kafka-connections.ts";
import { Phases, registerPhaseMetrics } from "./lifecycle/phases.ts";
import { pluginLifecycle } from "./lifecycle/plugin-lifecycle.ts";
import { createSdkMetrics } from "./metrics.ts";
import { ManagerClient } from "./registration/manager-client.ts";
import { restoreSettings } from "./registration/rebuild-settings.ts";
import { afterAdmission, Registrar } from "./registration/registrar.ts";
import { hasSecrets, jsonSchemaOf, registrationBody } from "./registration/registration-body.ts";
import type { ResourceMap } from "./resources/resource.ts";
import { ResourceSet } from "./resources/resource-set.ts";
import { loadPluginSettings, type PluginSettings } from "./settings/env-settings.ts";
import { loadPrivateKeys } from "./settings/private-key.ts";
import { SettingsFollower } from "./settings/settings-follower.ts";
import { TeamSettings } from "./settings/team-settings.ts";
import { openDatabase } from "./store/connect-database.ts";
import { RetryStore } from "./store/retry-store.ts";
import { SettingsStore } from "./store/settings-store.ts";

/** A plugin with everything wired, not started yet. */
export interface ComposedPlugin {
  readonly lifecycle: Lifecycle;
  readonly logger: Logger;
  readonly url: () => string;
  readonly port: () => number;
  readonly ready: (signal?: AbortSignal) => Promise<void>;
}

const READY_POLL_MS = 50;
/** A start waits no longer for Redis to say how it is set, milliseconds; the answer may come later. */
const REDIS_ANSWER_MS_MAX = 2_000;
/** Of the phase in which they are opened, what critical resources may take: the start then fails naming them. */
const RESOURCES_PART_MAX = 3 / 4;

/** Wires a plugin's process: the phase Initialization, which connects nothing. Each other phase's components follow. */
export async function composePlugin<Schema extends z.ZodObject, Resources extends ResourceMap>(
  given: PluginDefinition<Schema, Resources>,
  environment: Environment,
): Promise<ComposedPlugin> {
  // Inside the SDK nobody knows what the resources are; what handlers get comes from the same declaration.
  const definition = given as unknown as PluginDefinition<Schema>;
  const ground = await layGround(definition, environment);
  const { logger, drain, table, phases } = ground;
  const handles = definition.onEvent !== undefined || definition.onBatch !== undefined;
  const delivery = !handles ? null : deliveryComponents({ definition, ...ground });
  if (delivery !== null) ground.applied.add((team) => wake(ground, delivery.loop, team));
  const enablements = composeEnablements(definition, ground);
  const connections = new KafkaConnections(ground);
  const { server, registrar } = composeSurface(definition, ground, connections, { delivery, enablements });
  const taking = [
    ...(delivery === null ? [] : [delivery.loop, ...delivery.consumers]),
    ...(enablements === null ? [] : [enablements]),
  ].map((part) => afterAdmission(registrar, part));
  const lifecycle = pluginLifecycle({
    definition,
    ...ground,
    server,
    first: [ground.tracing, tableComponent(table, drain.draining)],
    preStart: [connections, safetyComponent(ground)],
    onStart:
      delivery === null
        ? []
        : [new SettingsFollower(ground.teamSettings), delivery.outcomes, delivery.retention, delivery.breakers],
    running: [registrar, ...taking, drain],
  });
  const live = delivery?.consumers.find(({ lane }) => lane === "live");
  const starting = () => (phases.current === "running" ? null : phases.current);
  const problem = () => starting() ?? connections.problem ?? registrar.problem ?? live?.problem ?? null;
  return {
    lifecycle,
    logger,
    url: () => `http://127.0.0.1:${server.port}`,
    port: () => server.port,
    ready: (signal) => untilReady(problem, signal),
  };
}

/** What both sides of a plugin, HTTP and deliveries, stand on. */
async function layGround<Schema extends z.ZodObject>(definition: PluginDefinition<Schema>, environment: Environment) {
  const plugin = pluginIdSchema.parse(definition.metadata.id);
  const settings = loadPluginSettings(plugin, environment, definition.resources);
  const logger = createLogger(plugin, settings.LOG_LEVEL);
  const phases = new Phases({ logger, clock: systemClock });
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracing = new Tracing({ service: `plugboard-${plugin}`, endpoint, logger, clock: systemClock });
  const keys = await keysOf(definition, settings);
  const registration = (port: number) =>
    registrationBody(definition, settings.PLUGIN_URL ?? `http://127.0.0.1:${port}`, keys?.[0].publicJwk ?? null);
  // An author's mistake shows before anything is connected.
  registration(settings.PORT);
  const database = openDatabase(settings.DATABASE_URL, plugin, logger);
  const drain = new Drain(settings.PLUGIN_DRAIN_MS);
  const registry = createRegistry({ labels: { plugin } });
  registerPhaseMetrics(registry, phases);
  const resources = new ResourceSet<ResourceMap>({
    resources: definition.resources ?? {},
    settings: settings.resources,
    logger,
    clock: systemClock,
    openMsMax: settings.PLUGIN_START_MS * RESOURCES_PART_MAX,
  });
  resources.register(registry);
  const kafka = createKafkaClient(`plugboard-${plugin}`, settings, logger);
  const producer = kafka.producer();
  const contexts: ContextParts = {
    logger,
    db: database.handlers,
    resources: resources.injected,
    flag: (team: string, event: EventAttributes, flags: readonly Flag[]) =>
      sendFlags({ plugin, topic: settings.CORE_COMMANDS_TOPIC, producer, clock: systemClock }, team, event, flags),
  };
  /** Called with each team whose settings came into force. */
  const applied = new Set<(team: string) => void>();
  const metrics = createSdkMetrics(registry);
  const unreadable = new SparseLog(logger, systemClock);
  const teamSettings = new TeamSettings({
    schema: definition.settings,
    store: new SettingsStore(database.sdk),
    keys,
    clock: systemClock,
    check: settingsCheck(definition, contexts, drain.stopping),
    onApplied: (team) => {
      for (const listener of applied) listener(team);
    },
    onUnreadable: (team, places) => {
      metrics.settingsOpenFailures.inc();
      unreadable.warn({ team, places }, "a team's settings cannot be opened or read: its deliveries wait");
    },
  });
  const redis = settings.REDIS_URL === undefined ? null : routingRedis(settings.REDIS_URL);
  const table = createRoutingTable({
    redis,
    namespace: settings.PLUGBOARD_NAMESPACE,
    fetchRoutes: managerRoutes({ managerUrl: settings.MANAGER_URL, token: settings.MANAGER_TOKEN }),
    registry,
    logger,
  });
  return {
    plugin,
    settings,
    logger,
    tracing,
    phases,
    registration,
    keys,
    database,
    resources,
    drain,
    registry,
    metrics,
    kafka,
    producer,
    admin: kafka.admin(),
    instance: `i-${randomBytes(8).toString("hex")}`,
    contexts,
    retries: new RetryStore(database.sdk),
    applied,
    teamSettings,
    redis,
    table,
  };
}

type Ground<Schema extends z.ZodObject> = Awaited<ReturnType<typeof layGround<Schema>>>;

/** What the manager sees: the HTTP surface, and the registration that leads there. */
function composeSurface<Schema extends z.ZodObject>(
  definition: PluginDefinition<Schema>,
  ground: Ground<Schema>,
  kafka: { readonly problem: string | null },
  {
    delivery,
    enablements,
  }: {
    readonly delivery: Pick<ReturnType<typeof deliveryComponents>, "consumers" | "breakers"> | null;
    readonly enablements: EnablementLoop<Schema> | null;
  },
) {
  const { plugin, settings, logger, tracing, registration, drain, registry, contexts, teamSettings } = ground;
  const manager = new ManagerClient({ url: settings.MANAGER_URL, token: settings.MANAGER_TOKEN, plugin });
  let webhookSecret: string | null = null;
  const registrar = new Registrar({
    manager,
    body: () => registration(server.port),
    instance: ground.instance,
    version: definition.metadata.version,
    keys: (ground.keys ?? []).map(({ kid }) => kid),
    clock: systemClock,
    logger,
    onRegistered: (answer) => {
      webhookSecret = answer.webhookSecret;
      restoreSettings(manager, (request) => teamSettings.restore(request), logger, drain.draining);
    },
  });
  const server = new HttpServer(
    pluginApp({
      definition,
      registration: () => registration(server.port),
      settings: teamSettings,
      enablements,
      secret: { current: () => webhookSecret },
      contexts,
      logger,
      tracing,
      checks: healthChecks({ ...ground, registrar, kafka, ...(delivery ?? { consumers: [], breakers: null }) }),
      registry,
      flatSource: settings.EVENT_SOURCE,
      stopping: drain.stopping,
    }),
    settings.PORT,
  );
  return { server, registrar };
}

/** The plugin's keys, for one whose settings have secrets. */
async function keysOf<Schema extends z.ZodObject>(definition: PluginDefinition<Schema>, settings: PluginSettings) {
  if (!hasSecrets(jsonSchemaOf(definition.settings))) return null;
  return await loadPrivateKeys({
    plugin: definition.metadata.id,
    given: settings.PLUGIN_PRIVATE_KEY,
    directory: settings.PLUGIN_KEYS_DIR,
    production: settings.NODE_ENV === "production",
  });
}

function wake<Schema extends z.ZodObject>(ground: Ground<Schema>, loop: { kick(): void }, team: string): void {
  const { plugin, retries, table, drain, logger } = ground;
  wakeTeam({ plugin, retries, table, kick: () => loop.kick() }, team, drain.draining).catch((error: Error) => {
    // What waits is due by itself before long; this only makes it sooner.
    logger.debug({ team, reason: error.message }, "kept deliveries not woken");
  });
}

/**
 * A Redis that evicts routes would make deliveries look as if their team had switched the plugin off, and be dropped. How topics
 * are kept, the routers look at.
 */
function safetyComponent<Schema extends z.ZodObject>(ground: Ground<Schema>): Component {
  const { settings, registry, logger, redis } = ground;
  const safety = new StartSafety({
    allowUnsafe: settings.PLUGBOARD_ALLOW_UNSAFE,
    answerMsMax: REDIS_ANSWER_MS_MAX,
    registry,
    logger,
    clock: systemClock,
  });
  const questions = redis === null ? [] : [redisSafety(redis, settings.PLUGBOARD_NAMESPACE)];
  return {
    name: safety.name,
    broken: safety.broken,
    start: () => safety.check(questions),
    stop: () => safety.stop(),
  };
}

/** The table's first answer may need a manager that is not there yet: look-ups wait for it, the start does not. */
function tableComponent(table: ReturnType<typeof createRoutingTable>, draining: AbortSignal): Component {
  return {
    name: "routing-table",
    start: async () => void table.start(draining).catch(() => {}),
    stop: () => table.stop(),
  };
}

async function untilReady(problem: () => string | null, signal: AbortSignal | undefined): Promise<void> {
  const policy = retry(handleAll, { backoff: new ConstantBackoff(READY_POLL_MS) });
  await policy.execute(() => {
    const missing = problem();
    if (missing !== null) throw new Error(`not ready: ${missing}`);
  }, signal);
}
