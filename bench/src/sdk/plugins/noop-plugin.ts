import { definePlugin, runPlugin } from "@plugboard/plugin-sdk";
import { Tally } from "../tally.ts";
import { asAsked, inBatches } from "./as-asked.ts";

/** A plugin that does nothing: what is left is what the SDK itself costs. */
const tally = Tally.start();
const base = asAsked("noop", "Nothing", "Does nothing with each delivery.");

const plugin = inBatches
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
