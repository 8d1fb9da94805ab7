import type { DeliveryMode, OnFailure, ProblemItem, Quota, SettingsState } from "@plugboard/contract";
import type {
  ActionRecord,
  JsonObject,
  PendingApproval,
  PluginRecord,
  PluginStatus,
  TeamPluginRecord,
} from "../domain/records.ts";
import type { Plugin, Prisma, Team, TeamPlugin } from "../generated/prisma/client.ts";
import { nullableJson } from "./prisma-database.ts";

/** Database rows as the domain's records, and back. Only this process writes these columns, so JSON has its shape. */
export function pluginRecord(row: Plugin): PluginRecord {
  return {
    ...row,
    settingsSchema: row.settingsSchema as JsonObject,
    actions: row.actions as unknown as ActionRecord[],
    publicKey: row.publicKey as JsonObject | null,
    pendingApproval: row.pendingApproval as PendingApproval | null,
    status: row.status as PluginStatus,
  };
}

export function teamPluginRecord(row: TeamPlugin): TeamPluginRecord {
  return {
    teamId: row.teamId,
    pluginId: row.pluginId,
    enabled: row.enabled,
    enabledVersion: row.enabledVersion,
    forms: row.forms as string[] | null,
    filter: row.filter,
    mode: row.mode as DeliveryMode,
    onFailure: row.onFailure as OnFailure,
    settings: row.settings as JsonObject | null,
    settingsVersion: row.settingsVersion,
    state: row.settingsState as SettingsState,
    reasons: row.reasons as unknown as ProblemItem[],
    ready: row.ready,
    quota: quotaOf(row),
  };
}

/** The columns of a team's row, without its key. */
export function teamPluginColumns(record: TeamPluginRecord) {
  return {
    enabled: record.enabled,
    enabledVersion: record.enabledVersion,
    forms: nullableJson(record.forms === null ? null : [...record.forms]),
    filter: record.filter,
    mode: record.mode,
    onFailure: record.onFailure,
    settings: nullableJson(record.settings),
    settingsVersion: record.settingsVersion,
    settingsState: record.state,
    reasons: record.reasons as unknown as Prisma.InputJsonValue,
    ready: record.ready,
    quotaEventsPerSecond: record.quota?.eventsPerSecond ?? null,
    quotaBurst: record.quota?.burst ?? null,
    updatedAt: new Date(),
  };
}

export function quotaOf(row: Pick<Team | TeamPlugin, "quotaEventsPerSecond" | "quotaBurst">): Quota | null {
  return row.quotaEventsPerSecond === null || row.quotaBurst === null
    ? null
    : { eventsPerSecond: row.quotaEventsPerSecond, burst: row.quotaBurst };
}
