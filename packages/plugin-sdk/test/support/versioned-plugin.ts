import { z } from "zod";
import { definePlugin, runPlugin } from "../../src/index.ts";

/** A plugin of which two versions run side by side: each tells an HTTP server what it handled, and with which settings. */
const { SINK_URL = "", VERSION = "1" } = process.env;

const word = z.string();

await runPlugin(
  definePlugin({
    metadata: {
      id: "versioned",
      name: `Versioned ${VERSION}`,
      description: "",
      version: VERSION,
      events: VERSION === "1" ? ["onResponse"] : ["onResponse", "onResponseUpdate"],
    },
    // The first version knows no tone, and would refuse settings that have one.
    settings: VERSION === "1" ? z.strictObject({ word }) : z.strictObject({ word, tone: z.string().optional() }),
    onEvent: async ({ id }, { settings, signal }) => {
      const body = JSON.stringify({ version: VERSION, id, settings });
      const answer = await fetch(SINK_URL, { method: "POST", body, signal });
      if (!answer.ok) throw new Error(`the sink answered ${answer.status}`);
      return undefined;
    },
  }),
);
