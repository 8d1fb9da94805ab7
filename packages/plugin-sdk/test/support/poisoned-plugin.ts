import { z } from "zod";
import { definePlugin, runPlugin } from "../../src/index.ts";

/** A plugin for crash tests: one event ends its process, whenever it is handled. */
await runPlugin(
  definePlugin({
    metadata: { id: "mortal", name: "Mortal", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    handlerDeadlineMs: 1_000,
    onEvent: async ({ event }) => {
      if (event.id === "poison") process.kill(process.pid, "SIGKILL");
      return undefined;
    },
  }),
);
