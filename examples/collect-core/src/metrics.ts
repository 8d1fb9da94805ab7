import { LATENCY_BUCKETS_SECONDS } from "@plugboard/runtime";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Outbox } from "./domain/ports.ts";

/** What this core counts. */
export type CoreMetrics = ReturnType<typeof createMetrics>;

/** @param outbox asked for its size at every scrape. */
export function createMetrics(registry: Registry, outbox: Outbox) {
  const registers = [registry];
  const age = new Gauge({
    name: "core_outbox_oldest_seconds",
    help: "Age of the oldest event not emitted yet.",
    registers,
  });
  new Gauge({
    name: "core_outbox_events",
    help: "Events stored and not emitted yet.",
    registers,
    async collect() {
      // A database that is away is told by /readyz; a scrape must not fail for it.
      const pending = await outbox.pending().catch(() => null);
      if (pending === null) return;
      this.set(pending.events);
      age.set(pending.oldestSeconds);
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
      help: "Events acknowledged by Kafka.",
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
