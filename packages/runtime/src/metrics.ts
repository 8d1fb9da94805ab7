import { readFileSync } from "node:fs";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { checkHealth, type HealthCheck } from "./health.ts";

/** Of all parts: they are released together. */
export const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/**
 * A registry of its own per process (and per test), with `plugboard_build_info`, and Node's default metrics unless told
 * otherwise. Which process a sample is of, Prometheus' own labels `job` and `instance` say.
 * @param labels on every metric: the plugin, for those of the SDK.
 */
export function createRegistry(options: { defaultMetrics?: boolean; labels?: Record<string, string> } = {}): Registry {
  const registry = new Registry();
  if (options.labels !== undefined) registry.setDefaultLabels(options.labels);
  new Gauge({
    name: "plugboard_build_info",
    help: "Always 1; the label says which version of Plugboard runs.",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  if (options.defaultMetrics ?? true) collectDefaultMetrics({ register: registry });
  return registry;
}

/** What /readyz says, for Prometheus: the checks are made anew at each scrape. */
export function registerHealthMetrics(checks: readonly HealthCheck[], registry: Registry): void {
  const registers = [registry];
  const report = oncePerScrape(() => checkHealth(checks));
  new Gauge({
    name: "plugboard_health_check_passing",
    help: "1 while what the process needs is there, else 0; /readyz says why.",
    labelNames: ["check"],
    registers,
    async collect() {
      for (const { name: check, problem } of (await report()).checks) this.set({ check }, problem === null ? 1 : 0);
    },
  });
  new Gauge({
    name: "plugboard_ready",
    help: "1 while every critical check passes, else 0: /readyz answers 503 then.",
    registers,
    async collect() {
      this.set((await report()).ready ? 1 : 0);
    },
  });
}

/** One question for all gauges that show parts of its answer: those of a scrape ask in one turn, and share it. */
export function oncePerScrape<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= ask().finally(() => {
      asked = undefined;
    });
    return asked;
  };
}

/** Buckets for latencies within a process or a data centre, in seconds: 1 ms to 30 s. */
export const LATENCY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** From an event to what came of it, in seconds: 5 ms to a day, for a process that was away catches up. */
export const END_TO_END_BUCKETS_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3_600, 86_400,
];
