import { LATENCY_BUCKETS_SECONDS, oncePerScrape } from "@plugboard/runtime";
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

  // Without the database the gauges are left out; /readyz tells of that.
  const asked = Object.entries(backlogs).map(
    ([outbox, ask]) => [outbox, oncePerScrape(() => ask().catch(() => null))] as const,
  );
  const ofOutboxes = (name: string, help: string, read: (backlog: Backlog) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["outbox"],
      registers,
      async collect() {
        this.reset();
        for (const [outbox, backlog] of await Promise.all(
          asked.map(async ([name, ask]) => [name, await ask()] as const),
        ))
          if (backlog !== null) this.set({ outbox }, read(backlog));
      },
    });
  ofOutboxes(
    "manager_outbox_rows",
    "Rows that wait in an outbox: changes for Redis (routing), settings for plugins (initialize).",
    ({ rows }) => rows,
  );
  ofOutboxes(
    "manager_outbox_oldest_age_seconds",
    "Age of the oldest row that waits in an outbox; 0 when it is empty.",
    ({ oldestAgeSeconds }) => oldestAgeSeconds,
  );
  const rebuilds = counter("manager_routing_rebuilds_total", "Rebuilds of the routing table in Redis, by result.", [
    "result",
  ]);
  // A counter that is born at its first event shows no increase: what an alert looks at stands at 0 from the start.
  rebuilds.inc({ result: "rebuilt" }, 0);
  return {
    httpSeconds: seconds(
      "manager_http_request_duration_seconds",
      "Duration of requests, by route template; what no route took is other.",
      ["method", "route", "status"],
    ),
    authFailures: counter("manager_auth_failures_total", "Requests refused for their credential, by reason.", [
      "reason",
    ]),
    relayPasses: counter(
      "manager_relay_passes_total",
      "Passes over the routing outbox, by result; a failed one is repeated.",
      ["result"],
    ),
    relayedChanges: counter("manager_relayed_changes_total", "Changes brought to Redis; stale ones changed nothing.", [
      "result",
    ]),
    rebuilds,
    initializeResults: counter(
      "manager_initialize_total",
      "Settings sent to plugins, by answer; those without one are sent again.",
      ["plugin", "result"],
    ),
    pluginCallSeconds: seconds(
      "manager_plugin_call_duration_seconds",
      "Duration of calls to plugins, by kind of call and result.",
      ["plugin", "call", "result"],
    ),
  };
}
