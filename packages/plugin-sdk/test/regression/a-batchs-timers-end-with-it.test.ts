import { setImmediate } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { type Clock, systemClock } from "@plugboard/runtime";
import { z } from "zod";
import { Batches } from "../../src/delivery/batches.ts";
import { definePlugin, delivered } from "../../src/index.ts";
import { received } from "../support/received-delivery.ts";

/** The machine's clock, which knows who still sleeps. */
function watchedClock(): Clock & { readonly sleeping: Set<number> } {
  const sleeping = new Set<number>();
  const sleep = async (ms: number, signal?: AbortSignal) => {
    sleeping.add(ms);
    await systemClock.sleep(ms, signal).finally(() => sleeping.delete(ms));
  };
  return { ...systemClock, sleep, sleeping };
}

test("a batch that is over leaves no timer behind, which would keep a stopped process alive", async () => {
  const clock = watchedClock();
  const definition = definePlugin({
    metadata: { id: "stored", name: "Stored", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    onBatch: async (deliveries) => deliveries.map(() => delivered()),
  });
  const limits = { itemsMax: 2, waitMsMax: 60_000, atOnceMax: 1, teamAtOnceMax: 1, placeMsMax: 50_000 };
  const batches = new Batches({ definition, limits, clock });
  const deliver = async (name: string) => {
    const { id, event, data, ...rest } = received("team", name);
    const call = async () => {
      const delivery = { id, team: "team", event, data, attempt: 1, effectKey: id };
      const context = { team: "team", settings: {}, signal: new AbortController().signal };
      await batches.onEvent(delivery, context as unknown as Parameters<typeof batches.onEvent>[1]);
    };
    await batches.around({ id, event, data, ...rest }, call, async () => {});
  };
  await Promise.all([deliver("one"), deliver("two")]);
  await setImmediate();
  expect([...clock.sleeping]).toEqual([]);
});
