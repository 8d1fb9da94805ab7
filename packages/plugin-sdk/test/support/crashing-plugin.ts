import { appendFileSync } from "node:fs";
import { z } from "zod";
import { definePlugin, runPlugin } from "../../src/index.ts";

/** A plugin for crash tests: its effect is a line in a file, and each first attempt hangs after the effect. */
const { EFFECTS_FILE = "", REDELIVER = "safe" } = process.env;

await runPlugin(
  definePlugin({
    metadata: { id: "crasher", name: "Crasher", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    redeliver: REDELIVER === "unsafe" ? "unsafe" : "safe",
    handlerDeadlineMs: 3_000,
    onEvent: async ({ id, attempt }) => {
      appendFileSync(EFFECTS_FILE, `${id} ${attempt}\n`);
      if (attempt === 1) await new Promise(() => {});
      return undefined;
    },
  }),
);
