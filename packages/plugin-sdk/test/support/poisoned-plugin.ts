import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { definePlugin, runPlugin } from "../../src/index.ts";

/**
 * A plugin for crash tests: one event ends its process, whenever it is handled, a while after the handlers of the others
 * have begun and before they end.
 */
await runPlugin(
  definePlugin({
    metadata: { id: "mortal", name: "Mortal", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    handlerDeadlineMs: 3_000,
    onEvent: async ({ event }) => {
      await sleep(event.id === "poison" ? 500 : 1_000);
      if (event.id === "poison") process.kill(process.pid, "SIGKILL");
      return undefined;
    },
  }),
);
