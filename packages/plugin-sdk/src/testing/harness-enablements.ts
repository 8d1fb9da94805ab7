import type { Logger } from "@plugboard/runtime";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { RetryLimits } from "../delivery/retry-schedule.ts";
import { EnablementLoop, wantsEnablements } from "../enablement/enablement-loop.ts";
import { EnablementStore } from "../enablement/enablement-store.ts";
import type { ContextParts } from "../handlers/handler-context.ts";
import { HANDLER_DEADLINE_MS } from "../handlers/with-deadline.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { PluginDatabase } from "../store/connect-database.ts";
import type { FakeClock } from "./fake-clock.ts";

/** What became of a team's last change, so far. */
export interface TestEnablement {
  /** `waiting`: for its next attempt, or for the team's settings. */
  readonly outcome: "done" | "waiting" | "failed";
  /** Attempts made of this change. */
  readonly attempts: number;
  readonly reason: string | null;
}

const NOTHING_TO_DO: TestEnablement = { outcome: "done", attempts: 0, reason: null };

/** What calls `onEnable` and `onDisable` in a plugin's process; the manager's part is the test's. */
export function harnessEnablements<Schema extends z.ZodObject>(parts: {
  readonly definition: PluginDefinition<Schema>;
  readonly database: PluginDatabase;
  readonly settings: TeamSettings<Schema>;
  readonly contexts: ContextParts;
  readonly limits: RetryLimits;
  readonly clock: FakeClock;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
}) {
  const { definition, database, stopping } = parts;
  const wanted = wantsEnablements(definition);
  const store = new EnablementStore(database.sdk, "harness");
  const deadlineMs = definition.handlerDeadlineMs ?? HANDLER_DEADLINE_MS;
  const loop = new EnablementLoop({ ...parts, store, deadlineMs, draining: stopping });
  let version = 0;
  const of = async (team: string): Promise<TestEnablement> => {
    const { rows } = await database.sdk.query<{ state: string; attempts: number; reason: string | null }>(
      "SELECT state, attempts, reason FROM sdk_enablements WHERE team = $1",
      [team],
    );
    const [row] = rows;
    if (row === undefined) return NOTHING_TO_DO;
    const outcome = row.state === "done" || row.state === "failed" ? row.state : "waiting";
    return { outcome, attempts: row.attempts, reason: row.reason };
  };
  return {
    of,
    async tell(team: string, enabled: boolean): Promise<TestEnablement> {
      if (!wanted) return NOTHING_TO_DO;
      version += 1;
      await loop.tell({ team, version, enabled });
      await loop.runDue();
      return await of(team);
    },
    async wake(team: string): Promise<void> {
      if (!wanted) return;
      await loop.wakeTeam(team);
      await loop.runDue();
    },
    /** Makes everything that is stored `ms` older, and attempts what is due by then. */
    async age(ms: number): Promise<void> {
      if (!wanted) return;
      await database.sdk.query(
        `UPDATE sdk_enablements SET due_at = due_at - $1 * interval '1 ms', held_until = held_until - $1 * interval '1 ms',
           first_attempt_at = first_attempt_at - $1 * interval '1 ms'`,
        [ms],
      );
      await loop.runDue();
    },
  };
}
