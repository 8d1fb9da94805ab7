import { generateKeyPairSync } from "node:crypto";
import type { Command } from "commander";
import { contextOf } from "../command-context.ts";
import { readJsonObject } from "../json-input.ts";

/** `plugboard keys create`: what PLUGIN_PRIVATE_KEY is set to; made here, and sent nowhere. */
export function keysCommand(program: Command): void {
  program
    .command("keys")
    .description("plugins' private keys, which open teams' secrets")
    .command("create")
    .description("make one for PLUGIN_PRIVATE_KEY; it is shown once and stored nowhere")
    .option("--before <file>", "in front of the key or keys of this file, for a rotation; - for standard input")
    .action(async (options: { before?: string }, command: Command) => {
      const { output } = contextOf(command);
      const jwk = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
      const earlier = options.before === undefined ? null : await readJsonObject(options.before);
      const made =
        earlier === null ? jwk : { keys: [jwk, ...(Array.isArray(earlier.keys) ? earlier.keys : [earlier])] };
      output.result(made, () => JSON.stringify(made));
      output.note("A private key: keep it where the plugin's other secrets are.");
    });
}
