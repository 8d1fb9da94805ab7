import type { TeamPluginView } from "@plugboard/contract";
import { type Cell, cell, table } from "./output.ts";

/** A plugin as a team sees it, for people. Secrets are in no answer of the manager. */
export function teamPluginText(view: TeamPluginView): string {
  const { settings } = view;
  const rows: [string, string | Cell][] = [
    ["plugin", view.id],
    ["name", view.name],
    ["description", view.description],
    ["status", upOrDown(view.status)],
    ["enabled", view.enabled ? cell("good", "yes") : cell("odd", "no")],
    ["forms", view.forms?.join(", ") ?? "all"],
    ["filter", view.filter ?? "none"],
    ["mode", view.mode],
    ["on failure", view.onFailure],
    ["settings", settingsState(settings.state)],
    ["values", JSON.stringify(settings.values)],
    ...settings.reasons.map(({ path, message }): [string, string] => ["refused for", `${path} ${message}`.trim()]),
    ["actions", view.actions.map(({ name }) => name).join(", ") || "none"],
  ];
  return table(["", ""], rows).replace(/^\s*\n/, "");
}

export function upOrDown(status: TeamPluginView["status"]): Cell {
  return cell(status === "up" ? "good" : "bad", status);
}

function settingsState(state: TeamPluginView["settings"]["state"]): Cell {
  const meaning = (
    { applied: "good", "not-required": "good", pending: "odd", missing: "odd", refused: "bad" } as const
  )[state];
  return cell(meaning, state);
}
