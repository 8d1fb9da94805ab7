import type { Fault } from "./fault.ts";

/** In order: what it had in hand is written and committed first, so nothing is repeated. */
export const routerStopped: Fault = {
  name: "router-stopped",
  what: "SIGTERM of a router, started again",
  touches: ["routers"],
  standsMs: 3_000,
  inject: async ({ routers }, dice) => {
    const router = dice.oneOf(routers);
    await router.end("SIGTERM");
    return () => router.start();
  },
};
