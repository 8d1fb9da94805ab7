import type { RoutingTable } from "@plugboard/routing-table";
import { ConstantBackoff, handleAll, retry } from "cockatiel";
import type { RetryStore } from "../store/retry-store.ts";

export interface WakeParts {
  readonly plugin: string;
  readonly retries: Pick<RetryStore, "wake">;
  readonly table: Pick<RoutingTable, "resolve">;
  readonly kick: () => void;
}

/** The manager publishes `ready` after it has heard "applied": usually within 200 ms. Then asking ends after 30 s. */
const ASK_EVERY_MS = 250;
const ASK_TIMES_MAX = 120;

/**
 * A team's settings are in force here: what was kept for them becomes due as soon as the routing table says so too.
 * Does nothing more when nothing was kept.
 */
export async function wakeTeam(
  { plugin, retries, table, kick }: WakeParts,
  team: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await retries.wake(team)) === 0) return;
  kick();
  const untilReady = retry(handleAll, { maxAttempts: ASK_TIMES_MAX, backoff: new ConstantBackoff(ASK_EVERY_MS) });
  await untilReady.execute(async () => {
    const resolved = (await table.resolve([team], signal)).get(team);
    if (resolved?.team.plugins.find(({ id }) => id === plugin)?.ready !== true) throw new Error("not ready yet");
  }, signal);
  await retries.wake(team);
  kick();
}
