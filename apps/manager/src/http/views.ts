import type { TeamPluginView } from "@plugboard/contract";
import type { Liveness } from "../domain/plugin-service.ts";
import type { TeamPluginPair } from "../domain/ports.ts";
import type { PluginRecord } from "../domain/records.ts";
import { waitingChanges } from "../domain/registration.ts";
import { shownSettings } from "../domain/sealed-settings.ts";
import { secretPlaces } from "../domain/secret-places.ts";
import { withoutSettings } from "../domain/settings-state.ts";

/** What a team sees of a plugin: never its url, instances or events, and no secret. */
export function teamPluginView({ plugin, row }: TeamPluginPair, liveness: Liveness): TeamPluginView {
  const initial = withoutSettings(plugin.acceptsEmpty);
  return {
    id: plugin.id,
    name: plugin.name,
    description: plugin.description,
    status: plugin.status === "enabled" && liveness.of(plugin.id).length > 0 ? "up" : "down",
    enabled: row?.enabled ?? false,
    forms: row?.forms ? [...row.forms] : null,
    filter: row?.filter ?? null,
    mode: row?.mode ?? "async",
    onFailure: row?.onFailure ?? "open",
    settings: {
      state: row?.state ?? initial.state,
      values: row?.settings ? shownSettings(row.settings, secretPlaces(plugin.settingsSchema).places) : {},
      reasons: [...(row?.reasons ?? [])],
      version: row?.settingsVersion ?? 0,
    },
    settingsSchema: { ...plugin.settingsSchema },
    actions: plugin.actions.map((action) => ({ ...action, input: { ...action.input } })),
  };
}

/** What an admin, or the plugin itself, sees. */
export function pluginView(
  plugin: PluginRecord,
  teams: { readonly enabled: number; readonly toReseal: number },
  liveness: Liveness,
) {
  const instances = liveness.of(plugin.id);
  return {
    id: plugin.id,
    name: plugin.name,
    description: plugin.description,
    url: plugin.url,
    version: plugin.version,
    events: plugin.events,
    settings: plugin.settingsSchema,
    actions: plugin.actions,
    sync: plugin.syncDeadlineMs === null ? null : { deadlineMs: plugin.syncDeadlineMs },
    priorityEvents: plugin.priorityEvents,
    publicKey: plugin.publicKey,
    enablements: plugin.toldEnablements,
    status: plugin.status,
    up: instances.length > 0,
    instances: instances.map(({ instance, expiresAt, runs }) => ({
      id: instance,
      expiresAt: expiresAt.toISOString(),
      version: runs.version ?? null,
    })),
    // Additional to the contract's view: false while Redis, which counts the instances, does not answer.
    instancesKnown: liveness.known,
    pendingApproval: waitingChanges(plugin.pendingApproval),
    teamsEnabled: teams.enabled,
    teamsToReseal: teams.toReseal,
    registeredAt: plugin.registeredAt.toISOString(),
    updatedAt: plugin.updatedAt.toISOString(),
  };
}
