import { type Component, type HealthCheck, HttpServer, type Logger, oncePerScrape } from "@plugboard/runtime";
import { createOpsApp } from "../http/ops-app.ts";
import type { RouterSettings } from "../settings.ts";
import { mergeHealth, mergeStatus } from "./merge-status.ts";
import { RouterThreads } from "./router-threads.ts";
import { GatheredRegistry } from "./thread-metrics.ts";

/** The checks that every thread has; see composeRouting. */
const CHECKS = [
  { name: "partitions", critical: true },
  { name: "routing-table", critical: true },
  { name: "parked-return", critical: false },
] as const;

/** A router of several threads (ROUTER_THREADS) behind one surface. */
export function composeThreads(
  settings: RouterSettings,
  { logger }: { readonly logger: Logger },
): { readonly components: readonly Component[] } {
  const threads = new RouterThreads(settings.ROUTER_THREADS, logger);
  const health = oncePerScrape(async () => mergeHealth(await threads.ask("health")));
  const checks = CHECKS.map(
    ({ name, critical }): HealthCheck => ({
      name,
      critical,
      problem: async () => (await health()).checks.find((check) => check.name === name)?.problem ?? null,
    }),
  );
  const status = async () => mergeStatus(await threads.ask("status"));
  const registry = new GatheredRegistry(() => threads.ask("metrics"));
  const server = new HttpServer(createOpsApp(checks, registry, status, logger), settings.PORT);
  return { components: [server, threads] };
}
