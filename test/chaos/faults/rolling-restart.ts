import type { Fault } from "./fault.ts";

/** As a deployment does it: one router, manager and plugin after the other, the next when the last is ready. */
export const rollingRestart: Fault = {
  name: "rolling-restart",
  what: "SIGTERM and start of every process in turn",
  touches: ["routers", "managers", "plugin"],
  standsMs: 0,
  inject: async ({ services }) => {
    for (const service of services) {
      await service.end("SIGTERM");
      await service.start();
    }
    return async () => {};
  },
};
