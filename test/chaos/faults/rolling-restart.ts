import type { Fault } from "./fault.ts";

/**
 * As a deployment does it: the migrations, then one manager, router and plugin after the other, the next when the last is ready.
 * To another version where the run has two.
 */
export const rollingRestart: Fault = {
  name: "rolling-restart",
  what: "SIGTERM and start of every process in turn",
  touches: ["routers", "managers", "plugin"],
  standsMs: 0,
  inject: async (rig) => {
    const root = await rig.nextVersion();
    for (const service of rig.services) {
      await service.end("SIGTERM");
      service.moveTo(root);
      await service.start();
    }
    return async () => {};
  },
};
