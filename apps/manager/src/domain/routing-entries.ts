import type { PluginEntry, Quota, TeamEntry, TeamRoute } from "@plugboard/contract";
import type { PluginRecord, TeamPluginRecord } from "./records.ts";

/** A key of the routing table as it stands in Postgres and in the change stream: `team:<id>` or `plugin:<id>`. */
export type RoutingKey = `team:${string}` | `plugin:${string}`;

export const teamKey = (team: string): RoutingKey => `team:${team}`;
export const pluginKey = (plugin: string): RoutingKey => `plugin:${plugin}`;

/** One version of one entry. */
export interface VersionedEntry {
  readonly key: string;
  readonly v: number;
  readonly entry: PluginEntry | TeamEntry;
}

/** What routers need to know of a plugin. `sync.url` is the plugin's base URL. */
export function buildPluginEntry(plugin: PluginRecord): Omit<PluginEntry, "v"> {
  return {
    events: [...plugin.events],
    priorityEvents: [...plugin.priorityEvents],
    sync: plugin.syncDeadlineMs === null ? null : { url: plugin.url, deadlineMs: plugin.syncDeadlineMs },
    state: plugin.status,
  };
}

/**
 * A team's enabled plugins, by id so that equal decisions give equal entries.
 * @param teamQuota holds at each plugin that has none of its own.
 */
export function buildTeamEntry(rows: readonly TeamPluginRecord[], teamQuota: Quota | null): Omit<TeamEntry, "v"> {
  const plugins = rows
    .filter(({ enabled }) => enabled)
    .map(
      (row): TeamRoute => ({
        id: row.pluginId,
        ready: row.ready,
        forms: row.forms === null ? null : [...row.forms],
        filter: row.filter,
        mode: row.mode,
        onFailure: row.onFailure,
        quota: row.quota ?? teamQuota,
      }),
    )
    .toSorted((one, other) => (one.id < other.id ? -1 : 1));
  return { plugins };
}

/**
 * The next version of an entry, or null when nothing changed: an unchanged entry is not published again.
 * @param before the entry as last published; null when there is none yet.
 */
export function nextVersion<T extends Omit<PluginEntry, "v"> | Omit<TeamEntry, "v">>(
  before: { readonly v: number; readonly entry: object } | null,
  after: T,
): (T & { v: number }) | null {
  const next = { v: (before?.v ?? 0) + 1, ...after };
  if (before === null) return next;
  return JSON.stringify(before.entry) === JSON.stringify({ ...next, v: before.v }) ? null : next;
}
