import { createLogger, loadSettings } from "@plugboard/runtime";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { Opened, ResourceMap } from "../resources/resource.ts";
import { ResourceSet } from "../resources/resource-set.ts";
import { resourceEnvironment, settingsByResource } from "../resources/resource-settings.ts";
import { openDatabase } from "../store/connect-database.ts";
import { migrate } from "../store/migrate.ts";
import { FakeClock } from "./fake-clock.ts";
import { Harness, type HarnessRetries } from "./harness.ts";
import { harnessDatabase } from "./harness-database.ts";
import { withOverrides } from "./stand-ins.ts";

export interface HarnessOptions<Schema extends z.ZodObject, Resources extends ResourceMap> {
  /** Of `team-1`. Refused ones fail the start; left out, the team has none. */
  readonly settings?: z.input<Schema>;
  /** In place of those that the plugin would open; an Error is the reason why one is away. Others are opened. */
  readonly resources?: { readonly [Name in keyof Resources]?: Opened<Resources>[Name] | Error };
  /** Variables of the resources that are opened. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A Postgres in which the harness makes a database of its own; `DATABASE_URL` unless given. */
  readonly databaseUrl?: string;
  readonly retries?: HarnessRetries;
}

const RESOURCES_OPEN_MS_MAX = 20_000;

/**
 * A plugin in this process, for its own tests: real handlers, settings, identities, retries and migrations on a real
 * Postgres; no Kafka, no manager, no waiting. Time stands still until the test moves it.
 * @throws Error when the plugin's settings are refused; Failure when a critical resource is away.
 */
export async function startHarness<Schema extends z.ZodObject, Resources extends ResourceMap>(
  plugin: PluginDefinition<Schema, Resources>,
  options: HarnessOptions<Schema, Resources> = {},
): Promise<Harness<Schema>> {
  const definition = plugin as unknown as PluginDefinition<Schema>;
  const { id } = definition.metadata;
  const declared = withOverrides(definition.resources ?? {}, options.resources ?? {});
  const environment = loadSettings(id, resourceEnvironment(id, declared), options.environment ?? {});
  const created = await harnessDatabase(options.databaseUrl ?? process.env.DATABASE_URL);
  const logger = createLogger(id, "silent");
  const database = openDatabase(created.url, id, logger);
  const clock = new FakeClock();
  const stop = new AbortController();
  const resources = new ResourceSet<ResourceMap>({
    resources: declared,
    settings: settingsByResource(id, declared, environment),
    logger,
    clock,
    openMsMax: RESOURCES_OPEN_MS_MAX,
  });
  const step = { logger, signal: stop.signal, db: database.handlers, resources: resources.injected };
  const close = async () => {
    stop.abort(new Error("the harness is closed"));
    await resources.stop();
    await database.close();
    await created.drop();
  };
  try {
    await resources.start();
    await database.connect();
    await migrate(database.sdk, database.schema, definition.migrations ?? []);
    await definition.preStart?.(step);
    await definition.onStart?.(step);
    const stopped = async () => {
      try {
        await definition.onStop?.(step);
      } finally {
        await close();
      }
    };
    const parts = { definition, database, clock, resources: resources.injected, stopping: stop.signal, logger };
    const harness = new Harness({ ...parts, close: stopped, retries: options.retries ?? {} });
    if (options.settings !== undefined) {
      const answer = await harness.configure(options.settings);
      if (answer.status === "refused") throw new Error(`the settings are refused: ${JSON.stringify(answer.reasons)}`);
    }
    return harness;
  } catch (error) {
    await close();
    throw error;
  }
}
