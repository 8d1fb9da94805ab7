import { type Component, type HealthCheck, HttpServer, type Logger, oncePerScrape } from "@plugboard/runtime";
import { HEALTH_CHECKS } from "../compose.ts";
import { createOpsApp } from "../http/ops-app.ts";
import type { RouterSettings } from "../settings.ts";
import { mergeHealth, mergeStatus } from "./merge-status.ts";
import { RouterThreads } from "./router-threads.ts";
import { GatheredRegistry } from "./thread-metrics.ts";

/** A router of several threads (ROUTER_THREADS) behind one surface. */
export function composeThreads(
  settings: RouterSettings,
  { logger }: { readonly logger: Logger },
): { readonly components: readonly Component[] } {
  const threads = new RouterThreads(settings.ROUTER_THREADS, logger);
  const health = oncePerScrape(async () => mergeHealth(await threads.ask("health")));
  const checks = HEALTH_CHECKS.map(
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
