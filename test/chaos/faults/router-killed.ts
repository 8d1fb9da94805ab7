import type { Fault } from "./fault.ts";

export const routerKilled: Fault = {
  name: "router-killed",
  what: "kill -9 of a router, started again",
  touches: ["routers"],
  standsMs: 3_000,
  losesMember: true,
  short: true,
  inject: async ({ routers, journal }, dice) => {
    const router = dice.oneOf(routers);
    journal.disturbed(`kill -9 of ${router.name}`);
    await router.end("SIGKILL");
    return () => router.start();
  },
};
