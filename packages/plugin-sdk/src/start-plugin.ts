import type { z } from "zod";
import { composePlugin } from "./compose-plugin.ts";
import type { PluginDefinition } from "./define-plugin.ts";
import type { ResourceMap } from "./resources/resource.ts";

/** A plugin that runs in this process. */
export interface RunningPlugin {
  /** Where its HTTP surface is, for this machine. */
  readonly url: string;
  readonly port: number;
  /** Resolves when it is registered and consumes; rejects with what is missing when `signal` aborts. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Drains: nothing new is begun, what is under way is finished or handed back, offsets are committed, goodbye. */
  stop(): Promise<void>;
}

/**
 * Starts a plugin without handling signals: for tests, and for processes that run other things beside it. Resolves when
 * database and resources are there and the HTTP surface is up; registering and joining the consumer group go on until they
 * succeed, see `ready`.
 * @throws SettingsError with every problem of the environment; Failure when the database or a critical resource does not answer.
 */
export async function startPlugin<Schema extends z.ZodObject, Resources extends ResourceMap>(
  definition: PluginDefinition<Schema, Resources>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<RunningPlugin> {
  const plugin = await composePlugin(definition, environment);
  await plugin.lifecycle.start();
  return {
    url: plugin.url(),
    port: plugin.port(),
    ready: (signal) => plugin.ready(signal),
    stop: () => plugin.lifecycle.stop(),
  };
}
