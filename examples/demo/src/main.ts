import { join, resolve } from "node:path";
import { projectRoot } from "@plugboard/stack";
import { Command, InvalidArgumentError } from "commander";
import { runDemo } from "./run-demo.ts";

/** `npm start`: brings everything up, feeds it real responses, shows what happened. */
const program = new Command("npm start --")
  .description("Bring up Kafka, Redis, Postgres and all of Plugboard, feed it real responses, show what happened.")
  .option("--once", "exit when every delivery is accounted for: 0 when all is well")
  .option("--responses <number>", "how many responses to submit; the 54 real ones are repeated", wholeNumber, 54)
  .option("--chaos", "kill a router (kill -9) every 3 s while it runs")
  .option("--json", "print the summary as one JSON object, the last line")
  .option("--directory <path>", "where data, logs, keys and dev.json are kept", join(projectRoot(), ".plugboard"))
  .allowExcessArguments(false)
  .parse();

const options = program.opts<{ once?: true; responses: number; chaos?: true; json?: true; directory: string }>();
process.exitCode = await runDemo({
  once: options.once ?? false,
  responses: options.responses,
  chaos: options.chaos ?? false,
  json: options.json ?? false,
  directory: resolve(options.directory),
});

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d{1,7}$/.test(text) || value < 1)
    throw new InvalidArgumentError("a whole number from 1 to 9999999 is needed.");
  return value;
}
