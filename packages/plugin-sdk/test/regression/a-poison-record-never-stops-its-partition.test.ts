import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, rejected } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 30_000;
let stage: PluginStage;
beforeAll(async () => {
  stage = await openStage("poisoned");
  stage.manager.enable("team-1");
});
afterAll(async () => {
  await stage.close();
});

const poisoned = definePlugin({
  metadata: { id: "poisoned", name: "Poisoned", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({}),
  onEvent: async ({ event }) => (event.id === "rejected" ? rejected("not wanted") : undefined),
});

describe("a record with headers nobody expected", () => {
  test("is delivered, or becomes a dead letter, and what follows it is delivered", async () => {
    // Names that every object has; a literal's `__proto__` would set its prototype.
    const headers = { constructor: "a", toString: "b", valueOf: "c", ["__proto__"]: "d" };
    const odd = await stage.route({ team: "team-1", response: "r-1", id: "odd", headers });
    const refused = await stage.route({ team: "team-1", response: "r-2", id: "rejected", headers });
    const after = await stage.route({ team: "team-1", response: "r-3", id: "after" });
    const plugin = await stage.start(poisoned);
    expect(await stage.settled(after)).toBe("delivered");
    expect(await stage.settled(odd)).toBe("delivered");
    expect(await stage.settled(refused)).toBe("rejected");
    await stage.committed();
    await waitUntil("the dead letter is there", WAIT_MS, async () =>
      (await stage.records(stage.topics.deadLetter)).some((one) => stage.header(one, "pb-delivery-id") === refused)
        ? true
        : undefined,
    );
    await plugin.stop();
  });
});
