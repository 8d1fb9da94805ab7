import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { projectRoot, supervise } from "@plugboard/stack";
import { z } from "zod";
import { portFrom } from "./services.ts";
import { mintToken } from "./system.ts";

/** `npm run plugin <file>`: runs a plugin's source against the system that `npm start` keeps up. */
const developmentSchema = z.object({
  manager: z.object({ url: z.url() }),
  kafka: z.object({ brokers: z.string() }),
  redis: z.object({ url: z.string() }),
  postgres: z.object({ url: z.string() }),
  tokens: z.object({ admin: z.string() }),
});

/** A plugin's token is minted for its id, which stands in its source: in the file itself, or in plugin.ts beside it. */
const ID_IN_SOURCE = /\bid:\s*["']([a-z0-9-]{1,64})["']/;

async function runPluginFile(file: string | undefined): Promise<number> {
  if (file === undefined) throw new Error("which plugin? npm run plugin <file.ts>");
  const source = await readFile(resolve(file), "utf8").catch(() => {
    throw new Error(`${file} cannot be read`);
  });
  // A main file may only start what stands in the plugin.ts beside it.
  const beside = await readFile(join(dirname(resolve(file)), "plugin.ts"), "utf8").catch(() => "");
  const id = (ID_IN_SOURCE.exec(source) ?? ID_IN_SOURCE.exec(beside))?.[1];
  if (id === undefined) throw new Error(`${file} has no metadata with an id (a-z, 0-9, "-")`);
  const root = projectRoot();
  const development = await readFile(join(root, ".plugboard", "dev.json"), "utf8").catch(() => {
    throw new Error("nothing is running here: `npm start` first, in another terminal");
  });
  const { manager, kafka, redis, postgres, tokens } = developmentSchema.parse(JSON.parse(development));
  const token = await mintToken(manager.url, tokens.admin, "plugin", id).catch((error: Error) => {
    throw new Error(`the manager at ${manager.url} does not answer (${error.message}): is \`npm start\` still up?`);
  });
  const plugin = await supervise({
    command: process.execPath,
    args: ["--conditions=source", resolve(file)],
    env: {
      ...process.env,
      KAFKA_BROKERS: kafka.brokers,
      REDIS_URL: redis.url,
      DATABASE_URL: postgres.url,
      MANAGER_URL: manager.url,
      MANAGER_TOKEN: token,
      PORT: String(await portFrom(4210)),
    },
    output: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => plugin.end(signal));
  return (await plugin.exited) ?? 1;
}

try {
  process.exitCode = await runPluginFile(process.argv[2]);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
