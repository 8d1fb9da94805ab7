import { definePlugin, runPlugin } from "@plugboard/plugin-sdk";
import { z } from "zod";

/** The installation's plugin process: its effect is a request to a vendor that may hang or refuse. */
const { SINK_URL = "" } = process.env;

await runPlugin(
  definePlugin({
    metadata: {
      id: "recorder",
      name: "Recorder",
      description: "Tells a vendor of every delivery.",
      version: "1.0.0",
      events: ["onResponse"],
    },
    settings: z.object({}),
    handlerDeadlineMs: 3_000,
    onEvent: async ({ id, team }, { signal }) => {
      const answer = await fetch(SINK_URL, { method: "POST", body: JSON.stringify({ id, team }), signal });
      if (!answer.ok) throw new Error(`the vendor answered ${answer.status}`);
      return undefined;
    },
  }),
);
