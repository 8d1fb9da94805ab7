import { definePlugin, runPlugin } from "@plugboard/plugin-sdk";
import { z } from "zod";
import { Tally } from "../tally.ts";

/** A plugin that does nothing: what is left is what the SDK itself costs. */
const tally = Tally.start();
const { BENCH_HANDLING, BENCH_IDENTITY, BENCH_OUTCOMES } = process.env;

const base = {
  metadata: {
    id: "noop",
    name: "Nothing",
    description: "Does nothing with each delivery.",
    version: "1.0.0",
    events: ["onResponse"],
  },
  settings: z.object({}),
  revisions: "all" as const,
  ...(BENCH_IDENTITY === "none" && { identity: "none" as const }),
  ...(BENCH_OUTCOMES === "exceptions" && { outcomes: "exceptions" as const }),
};

const plugin =
  BENCH_HANDLING === "batch"
    ? definePlugin({
        ...base,
        onBatch: async (deliveries) => {
          for (const { event } of deliveries) tally.handled(event.id);
          return undefined;
        },
      })
    : definePlugin({
        ...base,
        onEvent: async ({ event }) => {
          tally.handled(event.id);
          return undefined;
        },
      });

await runPlugin(plugin);
