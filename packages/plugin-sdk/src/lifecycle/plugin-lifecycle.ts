import { type Component, type HttpServer, Lifecycle, type Logger } from "@plugboard/runtime";
import type { z } from "zod";
import type { LifecycleContext, PluginDefinition } from "../define-plugin.ts";
import { withinDeadline } from "../handlers/with-deadline.ts";
import type { ResourceMap } from "../resources/resource.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { PluginSettings } from "../settings/env-settings.ts";
import type { PluginDatabase } from "../store/connect-database.ts";
import { migrate } from "../store/migrate.ts";
import type { Phase, Phases } from "./phases.ts";

export interface PluginLifecycleParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly settings: Pick<PluginSettings, "PLUGIN_START_MS" | "PLUGIN_DRAIN_MS">;
  readonly phases: Phases;
  readonly database: PluginDatabase;
  readonly resources: ResourceSet<ResourceMap>;
  readonly server: HttpServer;
  readonly logger: Logger;
  /** What waits for nothing at its start, and holds connections: closed however far a start came. */
  readonly first: readonly Component[];
  /** After resources and database. */
  readonly preStart: readonly Component[];
  readonly onStart: readonly Component[];
  /** What lets events and calls in, and the drain. */
  readonly running: readonly Component[];
}

/** What a drain may take beyond PLUGIN_DRAIN_MS: commits, the last outcomes, goodbye, the plugin's own `onStop`. */
const STOP_MARGIN_MS = 15_000;
/** Of that, the plugin's own `onStop`. */
const ON_STOP_MS_MAX = 5_000;

/** The plugin's components, phase by phase; see {@link Phases}. They stop in reverse. */
export function pluginLifecycle<Schema extends z.ZodObject>(parts: PluginLifecycleParts<Schema>): Lifecycle {
  const { definition, settings, phases, database, resources, server, logger } = parts;
  const context = (signal: AbortSignal): LifecycleContext<ResourceMap> => ({
    logger,
    signal,
    db: database.handlers,
    resources: resources.injected,
  });
  const step = (name: "preStart" | "onStart" | "onStop", ms: number) => async () => {
    const work = definition[name];
    if (work === undefined) return;
    await withinDeadline(ms, new AbortController().signal, async ({ signal }) => await work(context(signal)));
  };
  const migrated: Component = {
    name: "database",
    start: async () => {
      await database.connect();
      await migrate(database.sdk, database.schema, definition.migrations ?? []);
    },
    stop: () => database.close(),
  };
  return new Lifecycle(
    [
      // First up, so that a start that takes its time can be watched; it closes before what it stands on, below.
      { name: "http", phase: "pre-start" satisfies Phase, start: () => server.start(), stop: () => server.stop() },
      ...parts.first,
      resources,
      migrated,
      ...parts.preStart,
      { name: "preStart", start: step("preStart", settings.PLUGIN_START_MS) },
      {
        name: "plugin",
        phase: "on-start" satisfies Phase,
        start: step("onStart", settings.PLUGIN_START_MS),
        stop: step("onStop", ON_STOP_MS_MAX),
      },
      ...parts.onStart,
      { name: "http-close", stop: () => server.stop() },
      ...parts.running,
    ],
    {
      logger,
      startDeadlineMs: settings.PLUGIN_START_MS,
      phaseDeadlineMs: settings.PLUGIN_START_MS,
      stopDeadlineMs: settings.PLUGIN_DRAIN_MS + STOP_MARGIN_MS,
      onPhase: (phase) => phases.enter(phase as Phase),
    },
  );
}
