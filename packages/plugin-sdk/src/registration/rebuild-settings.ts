import type { InitializeRequest } from "@plugboard/contract";
import type { Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import type { ManagerClient } from "./manager-client.ts";

/**
 * Fetches all teams' settings that are in force from the manager, page by page, for a plugin whose database is empty or
 * came from a backup. Older versions never replace newer ones, so it is harmless at every start.
 * @returns how many teams' settings the manager has in force.
 */
async function rebuildSettings(
  manager: ManagerClient,
  restore: (request: InitializeRequest) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  let teams = 0;
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<ManagerClient["settingsPage"]>> = await manager.settingsPage(after, signal);
    for (const { team, version, state, settings } of page.items) {
      // Pending versions come by /initialize; refused and missing ones are nothing to keep.
      if (state !== "applied") continue;
      await restore({ team, version, settings });
      teams += 1;
    }
    if (page.next !== null && page.next === after) throw new Error("the manager's pages do not end");
    after = page.next;
  } while (after !== null);
  return teams;
}

/** The same, beside everything else, until it has been done once. */
export function restoreSettings(
  manager: ManagerClient,
  restore: (request: InitializeRequest) => Promise<void>,
  logger: Logger,
  signal: AbortSignal,
): void {
  const policy = retry(handleAll, { backoff: new ExponentialBackoff({ initialDelay: 500, maxDelay: 30_000 }) });
  policy
    .execute(() => rebuildSettings(manager, restore, signal), signal)
    .then((teams) => logger.debug({ teams }, "settings compared with the manager's"))
    .catch((error: Error) => {
      if (!signal.aborted) logger.warn({ reason: error.message }, "settings not compared with the manager's");
    });
}
