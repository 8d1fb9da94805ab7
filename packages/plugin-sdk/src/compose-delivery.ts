import { LANES, type Lane, laneGroup, pluginTopics } from "@plugboard/contract";
import type { Admin, KafkaClient, SafeProducer } from "@plugboard/kafka";
import type { RoutingTable } from "@plugboard/routing-table";
import { type Logger, systemClock, type Tracing } from "@plugboard/runtime";
import type { Registry } from "prom-client";
import type { z } from "zod";
import { TopicConsumer } from "./consumer/topic-consumer.ts";
import { TopicRetention } from "./consumer/topic-retention.ts";
import type { PluginDefinition } from "./define-plugin.ts";
import { Attempter } from "./delivery/attempt.ts";
import { CircuitBreakers } from "./delivery/circuit-breakers.ts";
import { DeadLetters } from "./delivery/dead-letters.ts";
import { DueLater } from "./delivery/due-later.ts";
import { FairPool, LATE_MS, poolLimits } from "./delivery/fair-pool.ts";
import { BULK_LIMITS, HandOver, PROMPT_LIMITS } from "./delivery/hand-over.ts";
import { oneOrBatches } from "./delivery/one-or-batches.ts";
import { OutcomePublisher } from "./delivery/outcome-publisher.ts";
import { QuickAttempts } from "./delivery/quick-attempts.ts";
import type { MalformedRecord, Received } from "./delivery/received.ts";
import { RETRIES_MAX, RetryLoop } from "./delivery/retry-loop.ts";
import type { Drain } from "./drain.ts";
import type { ContextParts } from "./handlers/handler-context.ts";
import { HANDLER_DEADLINE_MS } from "./handlers/with-deadline.ts";
import { registerDeliveryMetrics, type SdkMetrics } from "./metrics.ts";
import { type PluginSettings, retryLimits } from "./settings/env-settings.ts";
import type { TeamSettings } from "./settings/team-settings.ts";
import { BreakerStore } from "./store/breaker-store.ts";
import type { PluginDatabase } from "./store/connect-database.ts";
import { identities } from "./store/identities.ts";
import { Retention } from "./store/retention.ts";
import type { RetryStore } from "./store/retry-store.ts";

export interface DeliveryWiring<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly settings: PluginSettings;
  readonly instance: string;
  readonly database: PluginDatabase;
  readonly retries: RetryStore;
  readonly teamSettings: TeamSettings<Schema>;
  readonly table: RoutingTable;
  readonly kafka: KafkaClient;
  readonly producer: SafeProducer;
  readonly admin: Admin;
  readonly contexts: ContextParts;
  readonly metrics: SdkMetrics;
  readonly registry: Registry;
  readonly drain: Drain;
  readonly tracing: Tracing;
  readonly logger: Logger;
}

/** Time to settle in after the handler's deadline, before the claim is anybody's. */
const LEASE_MARGIN_MS = 5_000;
/** How long a commit waits for its window's outcomes to be published. */
const OUTCOME_FLUSH_MS = 5_000;
const ROOM_POLL_MS = 1_000;
/** When a delivery that got into no batch in time is attempted next. */
const PUT_OFF_MS = 1_000;

/** Wires what brings deliveries to `onEvent`: a consumer per lane, retries, dead letters, outcomes. */
export function deliveryComponents<Schema extends z.ZodObject>(wiring: DeliveryWiring<Schema>) {
  const { definition, settings, instance, database, retries, metrics, drain, logger, producer, admin } = wiring;
  const clock = systemClock;
  const plugin = definition.metadata.id;
  const topics = pluginTopics(plugin, settings.PLUGIN_TOPIC_PREFIX);
  const deadlineMs = settings.PLUGIN_HANDLER_DEADLINE_MS ?? definition.handlerDeadlineMs ?? HANDLER_DEADLINE_MS;
  const leaseMs = deadlineMs + LEASE_MARGIN_MS;
  const handling = oneOrBatches(definition, settings.PLUGIN_CONCURRENCY, clock);
  const { deliveries, attempted, underWay } = identities(definition, database.sdk, retries, leaseMs);
  const outcomes = new OutcomePublisher({
    plugin,
    topic: settings.DELIVERIES_TOPIC,
    all: definition.outcomes !== "exceptions",
    producer,
    metrics,
    logger,
    clock,
  });
  const pool = new FairPool(poolLimits(handling.inFlightMax));
  const breakers = new CircuitBreakers({
    store: new BreakerStore(database.sdk),
    limits: {
      teamFailures: settings.PLUGIN_BREAKER_TEAM_FAILURES,
      pluginFailures: settings.PLUGIN_BREAKER_TEAMS,
      openMs: settings.PLUGIN_BREAKER_OPEN_MS,
      openMsMax: settings.PLUGIN_BREAKER_OPEN_MS_MAX,
    },
    leaseMs,
    clock,
    logger,
  });
  const later = new DueLater({ retries, onStored: () => loop.kick(), metrics, clock });
  const attempter = new Attempter({
    definition: handling.definition,
    instance,
    enablement: { plugin, table: wiring.table, clock },
    settings: wiring.teamSettings,
    deliveries: attempted,
    retries,
    later,
    breakers,
    contexts: wiring.contexts,
    limits: retryLimits(settings),
    deadlineMs,
    leaseMs,
    draining: drain.draining,
    report: (received, report) => outcomes.report(received, report),
    onStored: () => loop.kick(),
    metrics,
    tracing: wiring.tracing,
    clock,
  });
  const loop = new RetryLoop({
    plugin,
    flatSource: settings.EVENT_SOURCE,
    instance,
    retries,
    deliveries,
    deadLetters: new DeadLetters({ topic: topics.deadLetter, producer, admin, clock }),
    pool,
    attempt: (received, entry, signal) =>
      handling.around(
        received,
        () => attempter.attempt(received, entry, signal),
        () => retries.postpone(entry.seq, PUT_OFF_MS),
      ),
    report: (received, report) => outcomes.report(received, report),
    metrics,
    breakers,
    clock,
    logger,
    leaseMs,
    draining: drain.draining,
    stopping: drain.stopping,
  });
  const quick = new QuickAttempts({
    definition,
    deliveries: attempted,
    contexts: wiring.contexts,
    deadlineMs,
    enablement: { plugin, table: wiring.table, clock },
    settings: wiring.teamSettings,
    breakers,
    report: (received, report) => outcomes.report(received, report),
    metrics,
    table: loop,
    attempter,
  });
  const mayBeQuick = definition.identity === "none" && definition.onEvent !== undefined && !wiring.tracing.on;
  const liveGroup = settings.PLUGIN_GROUP_ID ?? `plugboard.${plugin}`;
  const laneParts = {
    kafka: wiring.kafka,
    admin,
    sessionTimeoutMs: settings.PLUGIN_SESSION_TIMEOUT_MS,
    plugin,
    flatSource: settings.EVENT_SOURCE,
    pool,
    attempt: (received: Received, signal: AbortSignal) =>
      handling.around(
        received,
        () => attempter.attempt(received, null, signal),
        () => retries.handOver([received], PUT_OFF_MS),
      ),
    refuse: (malformed: MalformedRecord) => later.refuse(malformed),
    room: async (signal: AbortSignal) => {
      while (loop.full && !signal.aborted) await clock.sleep(ROOM_POLL_MS, signal);
    },
    flush: () => outcomes.flush(OUTCOME_FLUSH_MS),
    clock,
    logger,
    draining: drain.draining,
    stopping: drain.stopping,
  };
  const consumerOf = (lane: Lane) => {
    const prompt = lane !== "bulk";
    // A batch gathers, and waits for its place, within the time of its calls.
    const slowMs = definition.onBatch === undefined ? PROMPT_LIMITS.slowMs : LATE_MS;
    const limits = prompt ? { ...PROMPT_LIMITS, slowMs } : BULK_LIMITS;
    return new TopicConsumer({
      ...laneParts,
      lane,
      // Bulk keeps to its turns.
      quick: mayBeQuick && prompt ? (received) => quick.begin(received) : null,
      topic: topics[lane],
      groupId: laneGroup(liveGroup, lane),
      handOver: new HandOver({ retries, underWay, attempter, breakers, pool, table: loop, clock, leaseMs, limits }),
    });
  };
  const consumers = LANES.map(consumerOf);
  registerDeliveryMetrics(wiring.registry, {
    retries: () => loop.backlog(),
    retriesMax: RETRIES_MAX,
    breakers: () => breakers.status(),
    lanes: consumers.map(({ lane, ages }) => {
      const retention = new TopicRetention(admin, topics[lane], clock);
      return { lane, partitions: () => ages.status(clock.now()), retentionMs: () => retention.current() };
    }),
  });
  return { outcomes, loop, consumers, breakers, retention: new Retention(deliveries, clock, logger) };
}
