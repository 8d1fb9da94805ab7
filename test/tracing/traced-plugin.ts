import { definePlugin, httpClient, retry, runPlugin } from "@plugboard/plugin-sdk";
import { z } from "zod";

/** Its first attempt at a delivery fails, its second calls a vendor; its action calls the vendor at once. */
await runPlugin(
  definePlugin({
    metadata: { id: "traced", name: "Traced", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    resources: { vendor: httpClient("VENDOR") },
    onEvent: async ({ event, attempt }, { resources: { vendor } }) => {
      if (attempt === 1) return retry("not yet");
      await (await vendor.fetch(`/events/${event.id}`)).body?.cancel();
      return undefined;
    },
    actions: {
      call: {
        description: "Calls the vendor.",
        input: z.object({}),
        run: async (_input, { resources: { vendor } }) => {
          await (await vendor.fetch("/action")).body?.cancel();
          return null;
        },
      },
    },
  }),
);
