import { Counter, Gauge, type Registry } from "prom-client";
import type { TableObserver } from "./domain/ports.ts";

/** The table's metrics. @param gauges read when the metrics are. */
export function tableMetrics(
  registry: Registry,
  gauges: { readonly stalenessSeconds: () => number; readonly entries: () => number },
): TableObserver {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `routing_table_${name}`, help, labelNames, registers });
  const hits = counter("l1_hits_total", "Teams found in memory.");
  const misses = counter("l1_misses_total", "Teams that had to be read from Redis or the manager.");
  const polls = counter("polls_total", "Polls of Redis for changes, by result.", ["result"]);
  const calls = counter("l3_calls_total", "Calls to the manager for routes, by result.", ["result"]);
  const resets = counter("resets_total", "Times that everything in memory was dropped, by reason.", ["reason"]);
  const malformed = counter("malformed_entries_total", "Entries in Redis that could not be read.");
  new Gauge({
    name: "routing_table_staleness_seconds",
    help: "Seconds since the entries in memory were last known to be current.",
    aggregator: "max",
    registers,
    collect() {
      this.set(gauges.stalenessSeconds());
    },
  });
  new Gauge({
    name: "routing_table_l1_entries",
    help: "Entries in memory: teams and plugins, known absences included.",
    registers,
    collect() {
      this.set(gauges.entries());
    },
  });
  return {
    lookedUp: (found, missing) => {
      if (found > 0) hits.inc(found);
      if (missing > 0) misses.inc(missing);
    },
    polled: (result) => polls.inc({ result }),
    askedOrigin: (result) => calls.inc({ result }),
    reset: (reason) => resets.inc({ reason }),
    malformed: (entries) => malformed.inc(entries),
  };
}
