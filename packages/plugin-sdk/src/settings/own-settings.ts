import { type Environment, loadSettings, settingsOrExit } from "@plugboard/runtime";
import type { z } from "zod";

/**
 * A plugin's own variables, `{SERVICE}_{PREFIX}_{NAME}`, for its main file. Wrong ones end the process with every problem
 * and exit status 1, as those of the SDK do.
 * @param shape each variable as `setting(env.…(), "what it does")`: `npm run generate` documents it from there.
 */
export function ownSettings<S extends z.ZodRawShape>(
  plugin: string,
  shape: S,
  environment: Environment,
): Readonly<z.infer<z.ZodObject<S>>> {
  return settingsOrExit(() => loadSettings(plugin, shape, environment));
}
