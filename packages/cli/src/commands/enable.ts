import { type Enablement, routingStateSchema, teamPluginViewSchema } from "@plugboard/contract";
import { type Command, Option } from "commander";
import { contextOf } from "../command-context.ts";
import { commaSeparated } from "../json-input.ts";
import { teamPluginText } from "../team-plugin-text.ts";

const answer = teamPluginViewSchema.extend({ routing: routingStateSchema });

/** What narrows an enablement; `false` is commander's word for `--no-…`. */
export interface NarrowingOptions {
  readonly forms?: string[] | false;
  readonly filter?: string | false;
  readonly mode?: Enablement["mode"];
  readonly onFailure?: Enablement["onFailure"];
}

/** Adds what `enable` and the draft of `try` have in common. */
export function withNarrowing(command: Command): Command {
  return command
    .option("--forms <ids>", "only these forms: a,b", commaSeparated)
    .option("--no-forms", "every form")
    .option("--filter <expression>", "only events this says yes to: 'answers.age >= 18'")
    .option("--no-filter", "no filter")
    .addOption(new Option("--mode <mode>", "by Kafka, inside the submit, or both").choices(["async", "sync", "both"]))
    .addOption(
      new Option("--on-failure <what>", "whether a submit is accepted without a verdict").choices(["open", "closed"]),
    );
}

/** The body of a PUT: what was not said keeps its value, `--no-…` clears it. */
export function narrowing({ forms, filter, mode, onFailure }: NarrowingOptions): Omit<Enablement, "enabled"> {
  return {
    ...(forms !== undefined && { forms: forms || null }),
    ...(filter !== undefined && { filter: filter || null }),
    ...(mode !== undefined && { mode }),
    ...(onFailure !== undefined && { onFailure }),
  };
}

/** `plugboard enable|disable <plugin> --team <team>`. */
export function enableCommands(program: Command): void {
  withNarrowing(program.command("enable <plugin>").description("enable a plugin for a team, or narrow it"))
    .requiredOption("--team <team>", "whose")
    .action(async (plugin: string, options: NarrowingOptions & { team: string }, command: Command) => {
      await put(command, plugin, options.team, { enabled: true, ...narrowing(options) });
    });
  program
    .command("disable <plugin>")
    .description("disable a plugin for a team; what it decided and its settings are kept")
    .requiredOption("--team <team>", "whose")
    .action(async (plugin: string, options: { team: string }, command: Command) => {
      await put(command, plugin, options.team, { enabled: false });
    });
}

async function put(command: Command, plugin: string, team: string, body: Enablement): Promise<void> {
  const { manager, addresses, output } = contextOf(command);
  const path = `/v1/teams/${encodeURIComponent(team)}/plugins/${encodeURIComponent(plugin)}`;
  const view = await manager.call({ method: "PUT", path, token: addresses.teamToken(team), body, answer });
  output.result(view, () => teamPluginText(view));
  if (view.routing === "pending") output.note("Stored. The routers do not know it yet: it is on its way to them.");
  const unsettled = view.enabled && view.settings.state === "missing";
  if (unsettled)
    output.note(`It gets events once it is configured: plugboard configure ${plugin} --team ${team} --file …`);
}
