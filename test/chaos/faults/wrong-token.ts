import type { Fault } from "./fault.ts";

/** What a mistyped or revoked secret does: the router starts, and serves as long as Redis can tell it everything. */
export const wrongToken: Fault = {
  name: "wrong-token",
  what: "a router and a plugin restarted with a token that the manager refuses",
  touches: ["routers", "plugin"],
  standsMs: 8_000,
  inject: async ({ routers, plugins }, dice) => {
    const services = [dice.oneOf(routers), ...plugins];
    for (const service of services) {
      await service.end("SIGTERM");
      await service.launch({ MANAGER_TOKEN: "not-a-token" });
    }
    return async () => {
      for (const service of services) {
        await service.end("SIGTERM");
        await service.start();
      }
    };
  },
};
