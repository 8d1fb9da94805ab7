import { pluginIdSchema } from "@plugboard/contract";
import { makeSecrets } from "./adapters/secret-directory.ts";

/**
 * `npm run secrets`: makes the secrets of an installation with docker-compose.yml, and leaves. docs/deploy.md tells how to
 * run it without Node.
 * Arguments: the directory, then the ids of the plugins.
 */
const [directory = "", ...plugins] = process.argv.slice(2);
const wrong = plugins.filter((plugin) => !pluginIdSchema.safeParse(plugin).success);
if (directory === "" || wrong.length > 0) {
  const what = directory === "" ? "name the directory" : `no plugin's id (a-z, 0-9 and -): ${wrong.join(", ")}`;
  process.stderr.write(`make-secrets: ${what}\nusage: make-secrets <directory> [plugin …]\n`);
  process.exit(2);
}
try {
  const files = await makeSecrets(directory, plugins);
  for (const { name, state, problem } of files) {
    process.stdout.write(`${state} ${name}\n`);
    if (problem === null) continue;
    process.stderr.write(`make-secrets: ${name} ${problem}\n`);
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`make-secrets: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
