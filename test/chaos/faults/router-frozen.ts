import type { Fault } from "./fault.ts";

/** Longer than the session time-out (10 s): its partitions are another's when it wakes. */
export const routerFrozen: Fault = {
  name: "router-frozen",
  what: "SIGSTOP of a router for 15 s, longer than its session",
  touches: ["routers"],
  standsMs: 15_000,
  losesMember: true,
  inject: async ({ routers, journal }, dice) => {
    const router = dice.oneOf(routers);
    journal.disturbed(`SIGSTOP of ${router.name}`);
    await router.freeze();
    return async () => {
      journal.disturbed(`SIGCONT of ${router.name}`);
      router.resume();
    };
  },
};
