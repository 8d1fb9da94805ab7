import type { DeliveryMode, OnFailure, ProblemItem, Quota, SettingsState } from "@plugboard/contract";

/** A JSON object as it came over the wire or out of the database. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface ActionRecord {
  readonly name: string;
  readonly description: string;
  readonly input: JsonObject;
}

/** Changes of a registration that wait for an admin. A key that is absent does not wait. */
export interface PendingApproval {
  readonly url?: string;
  readonly publicKey?: JsonObject | null;
}

/** enabled; disabled is maintenance, declared by the plugin or an admin; deregistered keeps its row and versions. */
export type PluginStatus = "enabled" | "disabled" | "deregistered";

/** A plugin as registered. */
export interface PluginRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly url: string;
  readonly version: string;
  readonly events: readonly string[];
  readonly priorityEvents: readonly string[];
  readonly settingsSchema: JsonObject;
  readonly acceptsEmpty: boolean;
  readonly actions: readonly ActionRecord[];
  readonly syncDeadlineMs: number | null;
  readonly publicKey: JsonObject | null;
  readonly pendingApproval: PendingApproval | null;
  /** Whether it is told of teams that switch it on or off. */
  readonly toldEnablements: boolean;
  readonly status: PluginStatus;
  readonly registeredAt: Date;
  readonly updatedAt: Date;
}

/** What a team decided about a plugin. */
export interface TeamPluginRecord {
  readonly teamId: string;
  readonly pluginId: string;
  readonly enabled: boolean;
  /** Counts the times it was switched on or off. */
  readonly enabledVersion: number;
  readonly forms: readonly string[] | null;
  readonly filter: string | null;
  readonly mode: DeliveryMode;
  readonly onFailure: OnFailure;
  /** As stored: secrets are sealed. */
  readonly settings: JsonObject | null;
  readonly settingsVersion: number;
  readonly state: SettingsState;
  readonly reasons: readonly ProblemItem[];
  readonly ready: boolean;
  /** In place of the team's; null for the team's. */
  readonly quota: Quota | null;
}
