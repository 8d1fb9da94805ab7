import { LATENCY_BUCKETS_SECONDS, oncePerScrape } from "@plugboard/runtime";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Outbox } from "./domain/ports.ts";

/** What this core counts. */
export type CoreMetrics = ReturnType<typeof createMetrics>;

/** @param outbox asked for its size at every scrape. */
export function createMetrics(registry: Registry, outbox: Outbox) {
  const registers = [registry];
  // A database that is away is told by /readyz; a scrape must not fail for it.
  const pending = oncePerScrape(() => outbox.pending().catch(() => null));
  new Gauge({
    name: "core_outbox_events",
    help: "Events stored and not emitted yet; NaN without the database.",
    registers,
    async collect() {
      this.set((await pending())?.events ?? Number.NaN);
    },
  });
  new Gauge({
    name: "core_outbox_oldest_age_seconds",
    help: "Age of the oldest event not emitted yet, 0 with none; NaN without the database.",
    registers,
    async collect() {
      this.set((await pending())?.oldestSeconds ?? Number.NaN);
    },
  });
  return {
    submissions: new Counter({
      name: "core_submissions_total",
      help: "Submissions and corrections by what became of them.",
      labelNames: ["outcome"] as const,
      registers,
    }),
    sync: new Histogram({
      name: "core_sync_seconds",
      help: "Time of the sync path inside a submission.",
      labelNames: ["status"] as const,
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    }),
    emitted: new Counter({
      name: "core_events_emitted_total",
      help: "Events acknowledged by Kafka, by event.",
      labelNames: ["event"] as const,
      registers,
    }),
    relayFailures: new Counter({
      name: "core_relay_failures_total",
      help: "Batches that could not be emitted and were tried again.",
      registers,
    }),
    commands: new Counter({
      name: "core_commands_total",
      help: "Commands read, by what became of them.",
      labelNames: ["outcome"] as const,
      registers,
    }),
  };
}
