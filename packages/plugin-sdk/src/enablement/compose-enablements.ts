import { type Logger, systemClock } from "@plugboard/runtime";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { Drain } from "../drain.ts";
import type { ContextParts } from "../handlers/handler-context.ts";
import { HANDLER_DEADLINE_MS } from "../handlers/with-deadline.ts";
import { type PluginSettings, retryLimits } from "../settings/env-settings.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { PluginDatabase } from "../store/connect-database.ts";
import { EnablementLoop, wantsEnablements } from "./enablement-loop.ts";
import { EnablementStore } from "./enablement-store.ts";

/** Wires `onEnable` and `onDisable`; null for a plugin that has neither. */
export function composeEnablements<Schema extends z.ZodObject>(
  definition: PluginDefinition<Schema>,
  ground: {
    readonly settings: PluginSettings;
    readonly instance: string;
    readonly database: PluginDatabase;
    readonly teamSettings: TeamSettings<Schema>;
    readonly contexts: ContextParts;
    readonly drain: Drain;
    readonly logger: Logger;
    readonly applied: Set<(team: string) => void>;
  },
): EnablementLoop<Schema> | null {
  if (!wantsEnablements(definition)) return null;
  const { settings, instance, database, teamSettings, contexts, drain, logger, applied } = ground;
  const loop = new EnablementLoop({
    definition,
    store: new EnablementStore(database.sdk, instance),
    settings: teamSettings,
    contexts,
    limits: retryLimits(settings),
    deadlineMs: definition.handlerDeadlineMs ?? HANDLER_DEADLINE_MS,
    clock: systemClock,
    logger,
    draining: drain.draining,
    stopping: drain.stopping,
  });
  applied.add((team) => {
    // A team that waits for its settings is looked at now and then in any case.
    loop.wakeTeam(team).catch((error: Error) => logger.debug({ team, reason: error.message }, "enablement not woken"));
  });
  return loop;
}
