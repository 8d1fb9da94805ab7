import { type pluginViewSchema, teamPluginViewSchema, pluginViewSchema as viewSchema } from "@plugboard/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type CommandContext, contextOf } from "../command-context.ts";
import { type Cell, cell, table } from "../output.ts";
import { teamPluginText, upOrDown } from "../team-plugin-text.ts";
import { registerCommand } from "./register.ts";
import { rotateKeyCommand } from "./rotate-key.ts";

type PluginView = z.infer<typeof pluginViewSchema>;
const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });

/** `plugboard plugins list|show`: as an admin sees them, or a team. */
export function pluginsCommand(program: Command): void {
  const plugins = program.command("plugins").description("what is registered, or what a team may use");
  plugins
    .command("list", { isDefault: true })
    .description("every plugin: up or down, and how it is used")
    .option("--team <team>", "as this team sees them")
    .action(async (options: { team?: string }, command: Command) => {
      const context = contextOf(command);
      await (options.team === undefined ? listAll(context) : listOfTeam(context, options.team));
    });
  plugins
    .command("show <plugin>")
    .description("one plugin, with its settings' schema and actions")
    .option("--team <team>", "as this team sees it, with what it decided about it")
    .action(async (plugin: string, options: { team?: string }, command: Command) => {
      const context = contextOf(command);
      await (options.team === undefined ? showOne(context, plugin) : showOfTeam(context, plugin, options.team));
    });
  registerCommand(plugins);
  rotateKeyCommand(plugins);
}

/** Every registered plugin, as an admin sees them. */
export async function readPlugins({ manager, addresses }: CommandContext): Promise<PluginView[]> {
  return await manager.list("/v1/plugins", addresses.adminToken, page(viewSchema));
}

async function listAll(context: CommandContext): Promise<void> {
  const views = await readPlugins(context);
  context.output.result(views, () => pluginsTable(views));
}

/** A line per plugin. */
export function pluginsTable(views: readonly PluginView[]): string {
  if (views.length === 0) return "No plugin is registered.";
  return table(
    ["PLUGIN", "STATUS", "INSTANCES", "TEAMS", "VERSION", "EVENTS"],
    views.map((view) => [
      view.id,
      state(view),
      view.instancesKnown ? String(view.instances.length) : "unknown",
      String(view.teamsEnabled),
      view.version,
      view.events.join(", "),
    ]),
  );
}

function state({ status, up }: PluginView): Cell {
  if (status === "deregistered") return cell("dim", "deregistered");
  if (status === "disabled") return cell("odd", "maintenance");
  return up ? cell("good", "up") : cell("bad", "down");
}

async function listOfTeam({ manager, addresses, output }: CommandContext, team: string): Promise<void> {
  const path = `/v1/teams/${encodeURIComponent(team)}/plugins`;
  const views = await manager.list(path, addresses.teamToken(team), page(teamPluginViewSchema));
  output.result(views, () =>
    views.length === 0
      ? "No plugin is registered."
      : table(
          ["PLUGIN", "STATUS", "ENABLED", "SETTINGS", "FORMS", "FILTER"],
          views.map((view) => [
            view.id,
            upOrDown(view.status),
            view.enabled ? cell("good", "yes") : "no",
            view.settings.state,
            view.forms?.join(", ") ?? "all",
            view.filter ?? "",
          ]),
        ),
  );
}

async function showOne({ manager, addresses, output }: CommandContext, plugin: string): Promise<void> {
  const path = `/v1/plugins/${encodeURIComponent(plugin)}`;
  const view = await manager.call({ method: "GET", path, token: addresses.adminToken, answer: viewSchema });
  output.result(view, () =>
    table(
      ["", ""],
      [
        ["plugin", view.id],
        ["name", view.name],
        ["description", view.description],
        ["status", state(view)],
        ["instances", view.instances.map(({ id, expiresAt }) => `${id} (until ${expiresAt})`).join(", ") || "none"],
        ["teams", String(view.teamsEnabled)],
        ["version", view.version],
        ["url", view.url],
        ["events", view.events.join(", ")],
        ["inside the submit", view.sync ? `within ${view.sync.deadlineMs} ms` : "no"],
        ["actions", view.actions.map(({ name }) => name).join(", ") || "none"],
        [
          "instances",
          view.instances.map(({ id, version }) => `${id} (${version ?? "version unknown"})`).join(", ") || "none",
        ],
        ["waits for approval", view.pendingApproval.join(", ") || "nothing"],
        ["registered", view.registeredAt],
        ["settings schema", JSON.stringify(view.settings)],
      ],
    ).replace(/^\s*\n/, ""),
  );
}

async function showOfTeam({ manager, addresses, output }: CommandContext, plugin: string, team: string): Promise<void> {
  const path = `/v1/teams/${encodeURIComponent(team)}/plugins/${encodeURIComponent(plugin)}`;
  const view = await manager.call({
    method: "GET",
    path,
    token: addresses.teamToken(team),
    answer: teamPluginViewSchema,
  });
  output.result(view, () => teamPluginText(view));
}
