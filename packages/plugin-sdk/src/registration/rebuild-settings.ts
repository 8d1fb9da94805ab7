import type { InitializeRequest } from "@plugboard/contract";
import type { ManagerClient } from "./manager-client.ts";

/**
 * Fetches all teams' settings that are in force from the manager, page by page, for a plugin whose database is empty or
 * came from a backup. Older versions never replace newer ones, so it is harmless at every start.
 * @returns how many teams' settings the manager has in force.
 */
export async function rebuildSettings(
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
