import { join } from "node:path";
import { Command } from "commander";
import { makePlugin } from "./new-plugin/make-plugin.ts";
import { type PluginRequest, requestProblems } from "./new-plugin/plugin-request.ts";

/** `npm run new-plugin <name>`: a plugin that runs and is tested, to be changed into what is wanted. */
const program = new Command("npm run new-plugin --")
  .description("Make plugins/<name>: a plugin that runs and is tested, to be changed into what is wanted.")
  .argument("<name>", 'its id: words of a-z and 0-9, joined by "-"')
  .option("--events <names>", "the events it gets, comma-separated", "onResponse")
  .option("--sync", "let it also answer inside a submit")
  .option("--no-install", "leave `npm install` and `npm run lock` to you")
  .allowExcessArguments(false)
  .parse();

const root = join(import.meta.dirname, "..");
const options = program.opts<{ events: string; sync?: true; install: boolean }>();
const request: PluginRequest = {
  id: program.args[0] ?? "",
  events: options.events
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== ""),
  sync: options.sync ?? false,
};

const problems = requestProblems(root, request);
if (problems.length > 0) {
  process.stderr.write(`${problems.join("\n")}\n`);
  process.exitCode = 1;
} else {
  try {
    const files = makePlugin(root, request, options.install);
    process.stdout.write(`${report(files)}\n`);
  } catch (error) {
    process.stderr.write(`no plugin was made: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

function report(files: readonly string[]): string {
  const { id } = request;
  return [
    ...files.map((file) => `made ${file}`),
    "",
    `test it   npm test -- plugins/${id}`,
    `run it    npm run plugin plugins/${id}/src/main.ts     (with \`npm start\` up in another terminal)`,
    "read on   docs/write-a-plugin.md",
  ].join("\n");
}
