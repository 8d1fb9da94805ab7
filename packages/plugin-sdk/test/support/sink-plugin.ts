import { z } from "zod";
import { definePlugin, runPlugin } from "../../src/index.ts";

/** A plugin for kill tests: its effect is a request to an HTTP server; a team called `slow` takes longer than is patient. */
const { SINK_URL = "" } = process.env;

await runPlugin(
  definePlugin({
    metadata: { id: "sink", name: "Sink", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    handlerDeadlineMs: 6_000,
    onEvent: async ({ id, team, data }, { signal }) => {
      const text = JSON.stringify({ id, team, size: JSON.stringify(data).length });
      const answer = await fetch(SINK_URL, { method: "POST", body: text, signal });
      if (!answer.ok) throw new Error(`the sink answered ${answer.status}`);
      return undefined;
    },
  }),
);
