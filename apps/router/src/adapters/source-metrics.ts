import { Gauge, type Registry } from "prom-client";
import type { PartitionStatus } from "../domain/assignment.ts";

/** What is known of the topic of events and of this process's partitions of it. */
export interface MeasuredSource {
  status(): readonly PartitionStatus[];
  readonly watch: { readonly partitions: number | null; readonly retentionMs: number | null };
}

/** Read when Prometheus asks; partitions that went to others are theirs to tell of. */
export function registerSourceMetrics(registry: Registry, source: MeasuredSource, inFlightBytesMax: number): void {
  const registers = [registry];
  new Gauge({
    name: "router_lag_records",
    help: "Records of a partition that are not settled yet. Looked at every five seconds while fetching pauses.",
    labelNames: ["partition"],
    registers,
    collect() {
      this.reset();
      for (const { partition, lagRecords } of source.status()) this.set({ partition: String(partition) }, lagRecords);
    },
  });
  new Gauge({
    name: "router_oldest_unread_age_seconds",
    help: "Age of a partition's oldest record that is not settled; with none, the time since the broker last said so.",
    labelNames: ["partition"],
    aggregator: "max",
    registers,
    collect() {
      this.reset();
      for (const { partition, oldestAgeMs } of source.status())
        this.set({ partition: String(partition) }, oldestAgeMs / 1_000);
    },
  });
  new Gauge({
    name: "router_assigned_partitions",
    help: "Partitions of the topic of events that this router reads. All routers together read every one.",
    registers,
    collect() {
      this.set(source.status().length);
    },
  });
  new Gauge({
    name: "router_topic_partitions",
    help: "Partitions that the topic of events has; NaN until the brokers have said it.",
    aggregator: "max",
    registers,
    collect() {
      this.set(source.watch.partitions ?? Number.NaN);
    },
  });
  new Gauge({
    name: "router_retention_seconds",
    help: "How long the topic of events keeps a record; NaN until the brokers have said it.",
    aggregator: "max",
    registers,
    collect() {
      this.set((source.watch.retentionMs ?? Number.NaN) / 1_000);
    },
  });
  new Gauge({
    name: "router_in_flight_limit_bytes",
    help: "Memory for records read and not settled (ROUTER_IN_FLIGHT_BYTES): at it, fetching pauses.",
    registers,
  }).set(inFlightBytesMax);
}
