import { setTimeout as sleep } from "node:timers/promises";
import type { Service } from "./services.ts";

const KILL_INTERVAL_MS = 3_000;
/** Between looks while no router is at work. */
const LOOK_INTERVAL_MS = 250;
const LOOK_DEADLINE_MS = 1_000;

/**
 * Kills a router (`kill -9`) every three seconds and starts it again, until it is stopped: in turn, those that have
 * partitions at that moment, for killing one that is still starting would prove nothing.
 */
export function killRouters(routers: readonly Service[]): { readonly kills: () => number; stop(): Promise<void> } {
  const stopped = new AbortController();
  const { signal } = stopped;
  let kills = 0;
  const killing = (async () => {
    let waiting = [...routers];
    for (;;) {
      await sleep(KILL_INTERVAL_MS, undefined, { signal });
      let victim = await firstAtWork(waiting);
      for (; victim === undefined; victim = await firstAtWork(waiting))
        await sleep(LOOK_INTERVAL_MS, undefined, { signal });
      waiting = [...waiting.filter((router) => router !== victim), victim];
      kills += 1;
      await victim.crash();
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    kills: () => kills,
    stop: async () => {
      stopped.abort();
      await killing;
    },
  };
}

async function firstAtWork(routers: readonly Service[]): Promise<Service | undefined> {
  for (const router of routers) {
    const answer = await fetch(`${router.url}/readyz`, { signal: AbortSignal.timeout(LOOK_DEADLINE_MS) }).catch(
      () => {},
    );
    if (answer?.ok) return router;
  }
  return undefined;
}
