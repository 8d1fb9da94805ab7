import type { Clock } from "@plugboard/runtime";
import { Gauge, type Registry } from "prom-client";
import type { HeldCopies } from "./parked-return.ts";

/** What is known of the parking topic and of this process's partitions of it. */
export interface MeasuredReturn {
  held(): readonly HeldCopies[];
  unread(): number;
  readonly retentionMs: number | null;
}

/** Read when Prometheus asks; partitions that went to others are theirs to tell of. */
export function registerParkedMetrics(registry: Registry, parked: MeasuredReturn, clock: Pick<Clock, "now">): void {
  const registers = [registry];
  new Gauge({
    name: "router_parked_held_records",
    help: "Parked copies whose own topic does not take them, by topic, of the partitions this router reads.",
    labelNames: ["topic"],
    registers,
    collect() {
      this.reset();
      for (const { topic, copies } of parked.held()) this.set({ topic }, copies);
    },
  });
  new Gauge({
    name: "router_parked_held_oldest_age_seconds",
    help: "Time since the oldest copy was parked that its own topic does not take, by topic.",
    labelNames: ["topic"],
    aggregator: "max",
    registers,
    collect() {
      this.reset();
      for (const { topic, oldestSinceMs } of parked.held())
        this.set({ topic }, Math.max(0, clock.now() - oldestSinceMs) / 1_000);
    },
  });
  new Gauge({
    name: "router_parked_unread_records",
    help: "Records of the parking topic that this router reads and has not looked at yet.",
    registers,
    collect() {
      this.set(parked.unread());
    },
  });
  new Gauge({
    name: "router_parked_retention_seconds",
    help: "How long the parking topic keeps a copy; NaN until the brokers have said it.",
    aggregator: "max",
    registers,
    collect() {
      this.set((parked.retentionMs ?? Number.NaN) / 1_000);
    },
  });
}
