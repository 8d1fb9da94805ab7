import { pluginEntrySchema, teamEntrySchema } from "@plugboard/contract";
import type { RouteEntry, RouteKey } from "./ports.ts";

/** Reads an entry as it stands in Redis; null when it is not one. */
export function parseRouteEntry(key: RouteKey, json: string): RouteEntry | null {
  try {
    const schema = key.startsWith("team:") ? teamEntrySchema : pluginEntrySchema;
    return schema.safeParse(JSON.parse(json)).data ?? null;
  } catch {
    return null;
  }
}

export const teamKey = (team: string): RouteKey => `team:${team}`;
export const pluginKey = (plugin: string): RouteKey => `plugin:${plugin}`;

/** The id in a key. */
export function idOf(key: RouteKey): string {
  return key.slice(key.indexOf(":") + 1);
}

/** From the `key` field of a change; null when it names neither a team nor a plugin. */
export function asRouteKey(key: string): RouteKey | null {
  return key.startsWith("team:") || key.startsWith("plugin:") ? (key as RouteKey) : null;
}
