import { oncePerScrape } from "@plugboard/runtime";
import { Gauge, type Registry } from "prom-client";
import type { LeaseStore } from "../domain/ports.ts";
import type { Database } from "./prisma-database.ts";

/** Plugins told of, the most used first: more than fit into one team's table, and a bound for the label. */
const PLUGINS_MAX = 500;
const STATES = ["not-required", "missing", "pending", "applied", "refused"] as const;

interface PluginRow {
  readonly id: string;
  readonly status: string;
  readonly enabled: bigint;
  readonly states: Readonly<Record<string, number>> | null;
  readonly pending_age: number | null;
}

/**
 * What the registry holds, per plugin, asked for when Prometheus asks. Every manager tells the same: take the maximum over
 * instances, not the sum. A store that does not answer leaves its gauges out; /readyz tells of that.
 */
export function registerPluginMetrics(registry: Registry, database: Database, leases: LeaseStore): void {
  const rows = oncePerScrape(() => pluginRows(database).catch(() => []));
  const instances = oncePerScrape(async () => {
    const known = await rows();
    return await leases.live(known.map(({ id }) => id)).catch(() => new Map<string, readonly unknown[]>());
  });
  const gauge = (name: string, help: string, labelNames: string[], read: (gauge: Gauge) => Promise<void>) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset();
        await read(this);
      },
    });
  gauge("manager_plugin_instances", "Instances of a plugin that hold a lease.", ["plugin"], async (to) => {
    for (const [plugin, live] of await instances()) to.set({ plugin }, live.length);
  });
  gauge("manager_plugin_enabled_teams", "Teams that have a plugin switched on.", ["plugin"], async (to) => {
    for (const { id: plugin, enabled } of await rows()) to.set({ plugin }, Number(enabled));
  });
  gauge("manager_plugin_maintenance", "1 while a plugin has declared itself disabled.", ["plugin"], async (to) => {
    for (const { id: plugin, status } of await rows()) to.set({ plugin }, status === "disabled" ? 1 : 0);
  });
  gauge(
    "manager_settings_teams",
    "Teams that have a plugin switched on, by the state of their settings for it.",
    ["plugin", "state"],
    async (to) => {
      for (const { id: plugin, states } of await rows())
        for (const state of STATES) to.set({ plugin, state }, states?.[state] ?? 0);
    },
  );
  gauge(
    "manager_settings_pending_oldest_age_seconds",
    "How long the oldest settings have waited for a plugin's answer; 0 with none.",
    ["plugin"],
    async (to) => {
      for (const { id: plugin, pending_age } of await rows()) to.set({ plugin }, Math.max(0, pending_age ?? 0));
    },
  );
}

async function pluginRows(database: Database): Promise<PluginRow[]> {
  return await database.$queryRaw<PluginRow[]>`
    WITH counted AS (
      SELECT plugin_id, settings_state, count(*) AS teams FROM team_plugins WHERE enabled
      GROUP BY plugin_id, settings_state
    ), summed AS (
      SELECT plugin_id, sum(teams)::bigint AS enabled, json_object_agg(settings_state, teams) AS states
      FROM counted GROUP BY plugin_id
    ), waiting AS (
      SELECT plugin_id, extract(epoch FROM now() - min(created_at))::float8 AS age FROM initialize_outbox
      GROUP BY plugin_id
    )
    SELECT plugins.id, plugins.status, coalesce(summed.enabled, 0) AS enabled, summed.states,
      waiting.age AS pending_age
    FROM plugins LEFT JOIN summed ON summed.plugin_id = plugins.id LEFT JOIN waiting ON waiting.plugin_id = plugins.id
    WHERE plugins.status <> 'deregistered' ORDER BY coalesce(summed.enabled, 0) DESC, plugins.id LIMIT ${PLUGINS_MAX}`;
}
