import type { Service } from "./services.ts";

const KILL_INTERVAL_MS = 3_000;

/** Kills a router (`kill -9`) every three seconds, in turn, and starts it again, until it is stopped. */
export function killRouters(routers: readonly Service[]): { readonly kills: () => number; stop(): Promise<void> } {
  let kills = 0;
  let under = Promise.resolve();
  const timer = setInterval(() => {
    const victim = routers[kills % routers.length];
    kills += 1;
    under = under.then(() => victim?.crash()).catch(() => {});
  }, KILL_INTERVAL_MS);
  return {
    kills: () => kills,
    stop: async () => {
      clearInterval(timer);
      await under;
    },
  };
}
