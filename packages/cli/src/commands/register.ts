import { registrationResponseSchema, registrationSchema } from "@plugboard/contract";
import type { Command } from "commander";
import { contextOf } from "../command-context.ts";
import { readJsonObject } from "../json-input.ts";

/** What the manager may take to hold a new schema against the settings of every team. */
const DEADLINE_MS = 60_000;
const KNOWN = new Set(Object.keys(registrationSchema.shape));

/** `plugboard plugins register <plugin> --file <file>`: what a plugin does itself, as an admin. */
export function registerCommand(plugins: Command): void {
  plugins
    .command("register <plugin>")
    .description(
      "register a version in its place, from what it says at /metadata: changes of url and key need no approval",
    )
    .requiredOption(
      "--file <file>",
      "the registration, a JSON object such as the plugin's /metadata; - for standard input",
    )
    .option(
      "--force",
      "also when teams' settings do not fit its schema: they are sent to the plugin again, which decides",
    )
    .action(async (plugin: string, options: { file: string; force?: true }, command: Command) => {
      const { manager, addresses, output } = contextOf(command);
      const given = await readJsonObject(options.file);
      const answer = await manager.call({
        method: "PUT",
        path: `/v1/plugins/${encodeURIComponent(plugin)}${options.force ? "?force=true" : ""}`,
        token: addresses.adminToken,
        // /metadata says its id as well, and other things one day.
        body: Object.fromEntries(Object.entries(given).filter(([name]) => KNOWN.has(name))),
        answer: registrationResponseSchema.omit({ webhookSecret: true }),
        deadlineMs: DEADLINE_MS,
      });
      output.result(answer, () => `Registered ${answer.id}.`);
    });
}
