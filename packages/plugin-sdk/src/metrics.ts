import { LATENCY_BUCKETS_SECONDS } from "@plugboard/runtime";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** What the SDK measures of every plugin. */
export type SdkMetrics = ReturnType<typeof createSdkMetrics>;

export function createSdkMetrics(registry: Registry) {
  const registers = [registry];
  return {
    deliveries: new Counter({
      name: "plugin_deliveries_total",
      help: "Attempts and exceptions by outcome, as published to the deliveries topic.",
      labelNames: ["outcome"] as const,
      registers,
    }),
    malformed: new Counter({
      name: "plugin_malformed_records_total",
      help: "Records of the plugin's topic that are no events, by reason; each became a dead letter.",
      labelNames: ["reason"] as const,
      registers,
    }),
    attemptSeconds: new Histogram({
      name: "plugin_attempt_duration_seconds",
      help: "Duration of one call of onEvent.",
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    }),
    identityHits: new Counter({
      name: "plugin_identity_hits_total",
      help: "Copies recognised by their delivery id and not handled again.",
      registers,
    }),
    deadLetters: new Counter({
      name: "plugin_dead_letters_total",
      help: "Dead letters acknowledged, by reason.",
      labelNames: ["reason"] as const,
      registers,
    }),
    outcomesDropped: new Counter({
      name: "plugin_outcomes_dropped_total",
      help: "Outcomes that could not be published to the deliveries topic.",
      registers,
    }),
    retriesWaiting: new Gauge({
      name: "plugin_retries_waiting",
      help: "Deliveries in the due-time table, of all instances.",
      registers,
    }),
    inFlight: new Gauge({ name: "plugin_in_flight", help: "Attempts under way in this process.", registers }),
    lag: new Gauge({
      name: "plugin_lag_records",
      help: "Records behind the end of the partition, when its last window was fetched.",
      labelNames: ["partition"] as const,
      registers,
    }),
  };
}
