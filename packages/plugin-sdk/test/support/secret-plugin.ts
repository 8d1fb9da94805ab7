import { z } from "zod";
import { definePlugin, runPlugin, secret } from "../../src/index.ts";

/** A plugin with a secret, whose handler fails once: for what its logs say. */
await runPlugin(
  definePlugin({
    metadata: { id: "keeper", name: "Keeper", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({ password: secret(z.string().min(4)), length: z.int() }),
    onEvent: async ({ attempt }, { settings, logger }) => {
      logger.info({ settings }, "a careless line");
      if (attempt === 1) throw new Error("once");
      return settings.password.length === settings.length ? undefined : { kind: "failed", reason: "not the secret" };
    },
  }),
);
