import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { definePlugin, runPlugin } from "../../src/index.ts";

/** A plugin for kill tests whose effect is a row, written in the delivery's transaction and open for a while on both sides. */
await runPlugin(
  definePlugin({
    metadata: { id: "ledger", name: "Ledger", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    migrations: ["CREATE TABLE effects (delivery text NOT NULL, attempt int NOT NULL)"],
    handlerDeadlineMs: 3_000,
    onEvent: async ({ id, attempt }, { transaction }) => {
      await transaction(async (client) => {
        await client.query("INSERT INTO effects VALUES ($1, $2)", [id, attempt]);
        await sleep(20);
      });
      await sleep(20);
      return undefined;
    },
  }),
);
