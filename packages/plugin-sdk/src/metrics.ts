import { deliveryOutcomeSchema, type Lane } from "@plugboard/contract";
import { END_TO_END_BUCKETS_SECONDS, LATENCY_BUCKETS_SECONDS } from "@plugboard/runtime";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { PartitionStatus } from "./consumer/partition-ages.ts";
import { type OpenBreaker, WHOLE_PLUGIN } from "./store/breaker-store.ts";
import type { RetryBacklog } from "./store/retry-store.ts";

/** What the SDK counts of every plugin; the registry's label `plugin` says of which. No label grows with teams. */
export type SdkMetrics = ReturnType<typeof createSdkMetrics>;

export function createSdkMetrics(registry: Registry) {
  const registers = [registry];
  const deliveries = new Counter({
    name: "plugin_deliveries_total",
    help: "Attempts and exceptions by outcome, as published to the deliveries topic.",
    labelNames: ["outcome"] as const,
    registers,
  });
  const deadLetters = new Counter({
    name: "plugin_dead_letters_total",
    help: "Dead letters acknowledged, by reason: a final outcome, or why a record is no event.",
    labelNames: ["reason"] as const,
    registers,
  });
  // A counter that is born at its first event shows no increase: what an alert looks at stands at 0 from the start.
  for (const outcome of deliveryOutcomeSchema.options) deliveries.inc({ outcome }, 0);
  for (const reason of ["failed", "rejected", "unknown", "invalid"]) deadLetters.inc({ reason }, 0);
  return {
    deliveries,
    deadLetters,
    malformed: new Counter({
      name: "plugin_malformed_records_total",
      help: "Records of the plugin's topic that are no events, by reason; each became a dead letter.",
      labelNames: ["reason"] as const,
      registers,
    }),
    attemptSeconds: new Histogram({
      name: "plugin_attempt_duration_seconds",
      help: "Duration of one attempt, a call of onEvent; its count is that of the attempts.",
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    }),
    eventSeconds: new Histogram({
      name: "plugin_event_to_delivered_seconds",
      help: "From the event's own time to its delivery, retries included: what a team sees.",
      labelNames: ["lane"] as const,
      buckets: END_TO_END_BUCKETS_SECONDS,
      registers,
    }),
    routedSeconds: new Histogram({
      name: "plugin_routed_to_delivered_seconds",
      help: "From routing to delivery, retries included: the plugin's own delay.",
      labelNames: ["lane"] as const,
      buckets: END_TO_END_BUCKETS_SECONDS,
      registers,
    }),
    identityHits: new Counter({
      name: "plugin_identity_hits_total",
      help: "Copies recognised by their delivery id and not handled again.",
      registers,
    }),
    cutShort: new Counter({
      name: "plugin_attempts_cut_short_total",
      help: "Attempts found without an end: their process ended, or was cut off, before it could record one.",
      registers,
    }),
    outcomesDropped: new Counter({
      name: "plugin_outcomes_dropped_total",
      help: "Outcomes that could not be published to the deliveries topic: the delivery record has holes there.",
      registers,
    }),
    settingsOpenFailures: new Counter({
      name: "plugin_settings_open_failures_total",
      help: "Times that a team's stored settings could not be opened or read; its deliveries wait.",
      registers,
    }),
    inFlight: new Gauge({ name: "plugin_in_flight", help: "Attempts under way in this process.", registers }),
  };
}

/** What is asked for when Prometheus asks. */
export interface Measured {
  /** The due-time table, of all instances. */
  readonly retries: () => RetryBacklog | null;
  readonly retriesMax: number;
  /** Those that are not closed, of all instances. */
  readonly breakers: () => readonly OpenBreaker[];
  readonly lanes: readonly MeasuredLane[];
}

interface MeasuredLane {
  readonly lane: Lane;
  /** Those that are this process's now. */
  readonly partitions: () => readonly PartitionStatus[];
  /** Null while not known. */
  readonly retentionMs: () => number | null;
}

/** What is known of the topics of the plugin's lanes and of its due-time table. */
export function registerDeliveryMetrics(registry: Registry, measured: Measured): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (gauge: Gauge) => void, labelNames: string[] = []) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        read(this);
      },
    });
  gauge(
    "plugin_retries_waiting",
    "Deliveries in the due-time table, of all instances; NaN before it was counted.",
    (to) => to.set(measured.retries()?.rows ?? Number.NaN),
  );
  gauge(
    "plugin_retries_oldest_overdue_seconds",
    "How long the delivery that should have been attempted first is overdue; 0 with none.",
    (to) => to.set(measured.retries()?.oldestOverdueSeconds ?? Number.NaN),
  );
  gauge(
    "plugin_retries_oldest_age_seconds",
    "How long the oldest delivery has been in the due-time table; 0 with none.",
    (to) => to.set(measured.retries()?.oldestAgeSeconds ?? Number.NaN),
  );
  gauge("plugin_retries_limit", "Deliveries in the due-time table at which no more are taken from the topic.", (to) =>
    to.set(measured.retriesMax),
  );
  const open = () => measured.breakers();
  gauge("plugin_parked_teams", "Teams whose breaker is not closed: their deliveries wait, others' go on.", (to) =>
    to.set(open().filter(({ team }) => team !== WHOLE_PLUGIN).length),
  );
  gauge("plugin_breaker_open", "1 while the plugin's own breaker is not closed: deliveries wait in the topic.", (to) =>
    to.set(open().some(({ team }) => team === WHOLE_PLUGIN) ? 1 : 0),
  );
  const perPartition = (name: string, help: string, value: (status: PartitionStatus) => number) =>
    gauge(
      name,
      help,
      (to) => {
        to.reset();
        for (const { lane, partitions } of measured.lanes)
          for (const status of partitions()) to.set({ lane, partition: String(status.partition) }, value(status));
      },
      ["lane", "partition"],
    );
  const perLane = (name: string, help: string, value: (lane: MeasuredLane) => number) =>
    gauge(
      name,
      help,
      (to) => {
        for (const one of measured.lanes) to.set({ lane: one.lane }, value(one));
      },
      ["lane"],
    );
  perPartition(
    "plugin_lag_records",
    "Records of a partition of a lane that are not settled or stored yet.",
    ({ lagRecords }) => lagRecords,
  );
  perPartition(
    "plugin_oldest_unread_age_seconds",
    "Age of the oldest record of a lane's partition that is not settled or stored; with none, 0.",
    ({ oldestAgeMs }) => oldestAgeMs / 1_000,
  );
  perLane(
    "plugin_assigned_partitions",
    "Partitions of a lane's topic that this instance reads.",
    ({ partitions }) => partitions().length,
  );
  perLane(
    "plugin_retention_seconds",
    "How long a lane's topic keeps a record; NaN until the brokers have said it.",
    ({ retentionMs }) => (retentionMs() ?? Number.NaN) / 1_000,
  );
}
