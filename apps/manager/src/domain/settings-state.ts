import type { ProblemItem, SettingsState } from "@plugboard/contract";
import { PROBLEMS_MAX, storableText } from "./storable-json.ts";

/** Characters kept of each reason of a plugin. */
const REASON_LENGTH_MAX = 1_000;

/**
 * What is known of a team's settings for a plugin, and whether events may be routed as far as they are concerned.
 *
 *   enabled for the first time ──► not-required (schema accepts {})  ready
 *                              └─► missing                           not ready
 *   PUT …/config       any ──► pending   ready as before: the plugin goes on with what it has
 *   plugin answers  pending ──► applied   ready
 *                           └─► refused   not ready: events wait to be back-filled under corrected settings
 *   a new schema, forced   applied | pending ──► pending, when they do not fit it: the plugin decides
 *   re-registration  missing ◄──► not-required, as the new schema does or does not accept {}
 *
 * Disabling and enabling change nothing here: settings are kept.
 */
export interface SettingsStatus {
  readonly state: SettingsState;
  readonly ready: boolean;
  /** Why the plugin refused; empty otherwise. */
  readonly reasons: readonly ProblemItem[];
}

/** The state before any settings were given. */
export function withoutSettings(acceptsEmpty: boolean): SettingsStatus {
  return { state: acceptsEmpty ? "not-required" : "missing", ready: acceptsEmpty, reasons: [] };
}

/** New settings are stored and on their way to the plugin, which goes on with the earlier ones meanwhile. */
export function settingsGiven(before: SettingsStatus): SettingsStatus {
  return { state: "pending", ready: before.ready, reasons: [] };
}

/** The plugin has taken the settings. */
export function settingsApplied(): SettingsStatus {
  return { state: "applied", ready: true, reasons: [] };
}

/** The plugin has refused the settings. Its own words are cut to what can be kept: for a character of them nobody should wait for ever. */
export function settingsRefused(reasons: readonly ProblemItem[]): SettingsStatus {
  const kept = reasons.slice(0, PROBLEMS_MAX).map(({ path, message }) => ({
    path: storableText(path, REASON_LENGTH_MAX),
    message: storableText(message, REASON_LENGTH_MAX),
  }));
  return { state: "refused", ready: false, reasons: kept };
}
