import { actionResponseSchema } from "@plugboard/contract";
import type { Command } from "commander";
import { contextOf } from "../command-context.ts";
import { collectAssignment, readJsonObject } from "../json-input.ts";

interface ActionOptions {
  readonly team: string;
  readonly input?: string;
  readonly set?: Record<string, unknown>;
}

/** `plugboard action <plugin> <name> --team <team>`. */
export function actionCommand(program: Command): void {
  program
    .command("action <plugin> <name>")
    .description("run an action of an enabled plugin; the plugin's answer is printed as JSON")
    .requiredOption("--team <team>", "whose")
    .option("--input <file>", "its input, a JSON object; - for standard input")
    .option("--set <key=value>", "one of the input's fields; may be repeated", collectAssignment)
    .action(async (plugin: string, name: string, options: ActionOptions, command: Command) => {
      const { manager, addresses, output } = contextOf(command);
      const input = options.input === undefined ? {} : await readJsonObject(options.input);
      const [team, id, action] = [options.team, plugin, name].map(encodeURIComponent);
      const answer = await manager.call({
        method: "POST",
        path: `/v1/teams/${team}/plugins/${id}/actions/${action}`,
        token: addresses.teamToken(options.team),
        body: { ...input, ...options.set },
        answer: actionResponseSchema,
      });
      output.result(answer, () => JSON.stringify(answer.output, null, 2) ?? "");
    });
}
