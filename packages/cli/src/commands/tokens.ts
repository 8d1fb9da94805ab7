import { tokenResponseSchema } from "@plugboard/contract";
import { type Command, Option } from "commander";
import { contextOf } from "../command-context.ts";
import { wholeNumber } from "../json-input.ts";

const DAY_SECONDS = 86_400;

/** `plugboard tokens create`: the token alone on standard output, so that a script can take it. */
export function tokensCommand(program: Command): void {
  program
    .command("tokens")
    .description("credentials for plugins, teams, cores and routers")
    .command("create")
    .description("make one; it is shown once and stored nowhere")
    .addOption(
      new Option("--role <role>", "what it is for").choices(["plugin", "team", "core", "router"]).makeOptionMandatory(),
    )
    .requiredOption("--subject <id>", "whose: the plugin's or team's id; a name for a core or router")
    .option("--expires <days>", "days until it ends; a year unless said", wholeNumber(1, 365))
    .action(async (options: { role: string; subject: string; expires?: number }, command: Command) => {
      const { manager, addresses, output } = contextOf(command);
      const { role, subject, expires } = options;
      const answer = await manager.call({
        method: "POST",
        path: "/v1/tokens",
        token: addresses.adminToken,
        body: { role, subject, ...(expires !== undefined && { expiresInSeconds: expires * DAY_SECONDS }) },
        answer: tokenResponseSchema,
      });
      output.result(answer, () => answer.token);
      output.note(`A ${role} token for ${subject}, valid until ${answer.expiresAt}.`);
    });
}
