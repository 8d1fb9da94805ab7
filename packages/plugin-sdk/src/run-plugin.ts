import { createLogger, runProcess, SettingsError } from "@plugboard/runtime";
import type { z } from "zod";
import { composePlugin } from "./compose-plugin.ts";
import type { PluginDefinition } from "./define-plugin.ts";
import type { ResourceMap } from "./resources/resource.ts";

/**
 * The one line of a plugin's main file: reads the environment, starts, drains on SIGTERM and SIGINT. Leaves with 0 after
 * a drain; with 1, and every problem in the log, when it cannot start.
 */
export async function runPlugin<Schema extends z.ZodObject, Resources extends ResourceMap>(
  definition: PluginDefinition<Schema, Resources>,
): Promise<void> {
  try {
    const plugin = await composePlugin(definition, process.env);
    await runProcess(plugin.lifecycle, plugin.logger);
  } catch (error) {
    const problems = error instanceof SettingsError ? { problems: error.problems } : { error };
    createLogger(definition.metadata.id).fatal(problems, "the plugin cannot start");
    process.exit(1);
  }
}
