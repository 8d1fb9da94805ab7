import { setTimeout as sleep } from "node:timers/promises";
import { type TeamPluginView, teamPluginViewSchema } from "@plugboard/contract";
import type { Command } from "commander";
import { type CommandContext, contextOf } from "../command-context.ts";
import { CommandFailed, EXIT } from "../exit-code.ts";
import { collectAssignment, readJsonObject, wholeNumber } from "../json-input.ts";
import { plainText } from "../plain-text.ts";
import { teamPluginText } from "../team-plugin-text.ts";

const POLL_MS = 250;
const WAIT_SECONDS_USUAL = 30;

interface ConfigureOptions {
  readonly team: string;
  readonly file?: string;
  readonly set?: Record<string, unknown>;
  readonly wait?: true;
  readonly timeout: number;
}

/** `plugboard configure <plugin> --team <team>`. */
export function configureCommand(program: Command): void {
  program
    .command("configure <plugin>")
    .description("give an enabled plugin a team's settings; secrets go in and never come out")
    .requiredOption("--team <team>", "whose")
    .option("--file <file>", "the settings, a JSON object; - for standard input")
    .option("--set <key=value>", "one of them, over the file or what is in force; may be repeated", collectAssignment)
    .option("--wait", "until the plugin has applied them, or refused and why")
    .option("--timeout <seconds>", "how long to wait", wholeNumber(1, 600), WAIT_SECONDS_USUAL)
    .action(async (plugin: string, options: ConfigureOptions, command: Command) => {
      if (options.file === undefined && options.set === undefined)
        throw new CommandFailed(EXIT.usage, "which settings? Give --file <file> or --set key=value");
      await configure(contextOf(command), plugin, options);
    });
}

async function configure(context: CommandContext, plugin: string, options: ConfigureOptions): Promise<void> {
  const { manager, addresses, output } = context;
  const { team } = options;
  const path = `/v1/teams/${encodeURIComponent(team)}/plugins/${encodeURIComponent(plugin)}`;
  const token = addresses.teamToken(team);
  const view = () => manager.call({ method: "GET", path, token, answer: teamPluginViewSchema });
  // Without a file, what is in force goes on: its secrets, which nobody sees, are kept by the manager.
  const base = options.file === undefined ? (await view()).settings.values : await readJsonObject(options.file);
  const body = { ...base, ...options.set };
  const put = { method: "PUT", path: `${path}/config`, token, body, answer: teamPluginViewSchema } as const;
  let latest = await manager.call(put);
  const { version } = latest.settings;
  const deadline = performance.now() + options.timeout * 1_000;
  while (options.wait && latest.settings.state === "pending" && performance.now() < deadline) {
    await sleep(POLL_MS);
    latest = await view();
  }
  output.result(latest, () => teamPluginText(latest));
  if (options.wait) assertApplied(latest, version, options.timeout);
  else output.note("Stored, and on its way to the plugin, which takes or refuses it: --wait tells which.");
}

/** @throws CommandFailed unless the version that was sent is in force. */
function assertApplied({ id, settings }: TeamPluginView, version: number, seconds: number): void {
  if (settings.version !== version)
    throw new CommandFailed(
      EXIT.failed,
      "somebody else has sent other settings meanwhile: look at them with `plugins show`",
    );
  if (settings.state === "refused") {
    const reasons = settings.reasons.map(
      ({ path, message }) => `\n  ${plainText(`${path || "the whole"}: ${message}`)}`,
    );
    throw new CommandFailed(EXIT.failed, `${id} refused the settings:${reasons.join("")}`);
  }
  if (settings.state === "pending")
    throw new CommandFailed(
      EXIT.failed,
      `${id} has not answered within ${seconds} s; the settings are sent again until it does`,
    );
}
