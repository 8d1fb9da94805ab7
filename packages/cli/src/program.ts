import { Command, CommanderError } from "commander";
import { actionCommand } from "./commands/action.ts";
import { configureCommand } from "./commands/configure.ts";
import { enableCommands } from "./commands/enable.ts";
import { keysCommand } from "./commands/keys.ts";
import { pluginsCommand } from "./commands/plugins.ts";
import { routesCommand } from "./commands/routes.ts";
import { statusCommand } from "./commands/status.ts";
import { tailCommand } from "./commands/tail.ts";
import { tokensCommand } from "./commands/tokens.ts";
import { tryCommand } from "./commands/try.ts";
import { CommandFailed, EXIT } from "./exit-code.ts";
import { failureText } from "./failure-text.ts";

const AFTER = `
Examples:
  $ plugboard status
  $ plugboard plugins --team nutrition-kenya
  $ plugboard enable sms --team nutrition-kenya --forms intake --filter 'answers.age >= 18'
  $ plugboard configure sms --team nutrition-kenya --file settings.json --wait
  $ plugboard try sms --team nutrition-kenya --event event.json --filter 'has(answers.phone)'
  $ plugboard tail plugin.sms --from beginning --limit 10
  $ plugboard tail responses --json --limit 1 | plugboard try sms --team nutrition-kenya --event -
  $ TOKEN=$(plugboard tokens create --role team --subject nutrition-kenya --expires 30)

Where it looks, in this order: flags; the environment (MANAGER_URL, PLUGBOARD_TOKEN, PLUGBOARD_ADMIN_TOKEN,
KAFKA_BROKERS and Kafka's other settings); .plugboard/dev.json, which \`npm start\` writes, here or in a directory above.

Exit status: 0 done, 1 refused or failed (or \`try\`: not routed, \`status\`, \`routes\`: not well), 2 wrong usage,
3 not reachable. Results go to standard output, everything else to standard error. NO_COLOR is respected.
`;

/** The whole command line. Every command is in a file of its own. */
function createProgram(): Command {
  const program = new Command("plugboard")
    .description("See and steer Plugboard, the layer between a data-collection platform and its plugins.")
    .option("--manager <url>", "the manager's address")
    .option("--token <token>", "the credential; better in PLUGBOARD_TOKEN, for others see a command line")
    .option("--brokers <addresses>", "Kafka's addresses: host:port,host:port")
    .option("--json", "print one JSON document (tail: JSON lines) and nothing else")
    .addHelpText("after", AFTER)
    .showHelpAfterError("(--help tells more)")
    .helpCommand(true)
    .exitOverride();
  program.commandsGroup("Look:");
  statusCommand(program);
  pluginsCommand(program);
  tailCommand(program);
  tryCommand(program);
  program.commandsGroup("Decide for a team:");
  enableCommands(program);
  configureCommand(program);
  actionCommand(program);
  program.commandsGroup("Operate:");
  routesCommand(program);
  tokensCommand(program);
  keysCommand(program);
  program.commandsGroup("Help:");
  return program;
}

/**
 * Runs one command line.
 * @param args without the names of Node and the program.
 * @returns the exit status.
 */
export async function run(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync([...args], { from: "user" });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    // commander has said what is wrong; --help ends with 0, everything else is wrong usage.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof CommandFailed)) throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return error.exitCode;
  }
}
