import { type Logger, systemClock } from "@plugboard/runtime";
import type { Redis } from "ioredis";
import type { Registry } from "prom-client";
import { redisRouteCache } from "./adapters/redis-route-cache.ts";
import type { FetchRoutes } from "./domain/ports.ts";
import { LayeredRoutingTable } from "./layered-routing-table.ts";
import type { RoutingTable } from "./routing-table.ts";
import { tableMetrics } from "./table-metrics.ts";

export interface RoutingTableOptions {
  /** The table takes it over: it is disconnected on stop. Null for a process without Redis, which asks the manager. */
  readonly redis: Redis | null;
  /** The setting PLUGBOARD_NAMESPACE. */
  readonly namespace: string;
  /** L3; see `managerRoutes`. */
  readonly fetchRoutes: FetchRoutes;
  readonly registry: Registry;
  readonly logger: Logger;
  /** Teams kept in memory: 10,000 unless said, about 2 KB each. */
  readonly l1TeamsMax?: number;
  /** Between two polls for changes, milliseconds; 100 unless said. */
  readonly pollMs?: number;
  /** How old an answer may be at most, milliseconds; 5,000 unless said. */
  readonly staleAfterMs?: number;
}

/** Wires the read side of the routing table: L1 here, L2 on Redis, L3 as given. */
export function createRoutingTable(options: RoutingTableOptions): RoutingTable {
  const { redis, namespace, fetchRoutes, registry, logger } = options;
  const observer = tableMetrics(registry, {
    stalenessSeconds: () => table.stalenessSeconds(),
    entries: () => table.entries,
  });
  const table = new LayeredRoutingTable({
    cache: redis === null ? null : redisRouteCache(redis, namespace, logger),
    fetchRoutes,
    clock: systemClock,
    logger,
    observer,
    teamsMax: options.l1TeamsMax ?? 10_000,
    pollMs: options.pollMs ?? 100,
    staleAfterMs: options.staleAfterMs ?? 5_000,
    random: Math.random,
  });
  return table;
}
