import { LATENCY_BUCKETS_SECONDS } from "@plugboard/runtime";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";
import type { Backlog } from "../domain/ports.ts";

/** The manager's own metrics; backlogs are asked for when Prometheus asks. */
export function createManagerMetrics(
  registry: Registry,
  backlogs: { readonly routing: () => Promise<Backlog>; readonly initialize: () => Promise<Backlog> },
): ManagerMetrics {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers });
  const seconds = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: LATENCY_BUCKETS_SECONDS });

  const rows = new Gauge({
    name: "manager_outbox_rows",
    help: "Rows that wait in an outbox.",
    labelNames: ["outbox"],
    registers,
  });
  new Gauge({
    name: "manager_outbox_oldest_age_seconds",
    help: "Age of the oldest row that waits in an outbox.",
    labelNames: ["outbox"],
    registers,
    async collect() {
      for (const [outbox, ask] of Object.entries(backlogs)) {
        const backlog = await ask().catch(() => null);
        if (backlog === null) continue;
        rows.set({ outbox }, backlog.rows);
        this.set({ outbox }, backlog.oldestAgeSeconds);
      }
    },
  });
  return {
    httpSeconds: seconds("manager_http_request_duration_seconds", "Requests by route template.", [
      "method",
      "route",
      "status",
    ]),
    authFailures: counter("manager_auth_failures_total", "Requests refused for their credential.", ["reason"]),
    relayPasses: counter("manager_relay_passes_total", "Passes over the routing outbox.", ["result"]),
    relayedChanges: counter("manager_relayed_changes_total", "Changes brought to Redis; stale ones changed nothing.", [
      "result",
    ]),
    rebuilds: counter("manager_routing_rebuilds_total", "Rebuilds of the routing table.", ["result"]),
    initializeResults: counter("manager_initialize_total", "Settings sent to plugins.", ["plugin", "result"]),
    pluginCallSeconds: seconds("manager_plugin_call_duration_seconds", "Calls to plugins.", [
      "plugin",
      "call",
      "result",
    ]),
  };
}
