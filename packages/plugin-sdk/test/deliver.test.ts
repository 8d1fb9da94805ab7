import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { type Delivery, definePlugin } from "../src/index.ts";
import { openStage, type PluginStage } from "./support/plugin-stage.ts";

let stage: PluginStage;
beforeEach(async () => {
  stage = await openStage("probe");
});
afterEach(async () => {
  await stage.close();
});

describe("a plugin that needs no settings", () => {
  test("gets a routed event once, with its team, data and attempt, and says so in the deliveries topic", async () => {
    const seen: Delivery[] = [];
    stage.manager.enable("team-1");
    await stage.start(
      definePlugin({
        metadata: { id: "probe", name: "Probe", description: "", version: "1", events: ["onResponse"] },
        settings: z.object({}),
        onEvent: async (delivery) => {
          seen.push(delivery);
          return undefined;
        },
      }),
    );
    const id = await stage.route({ team: "team-1", response: "r-1", revision: 1, data: { answers: { a: 1 } } });
    expect(await stage.settled(id)).toBe("delivered");
    expect(seen).toEqual([expect.objectContaining({ id, team: "team-1", attempt: 1, data: { answers: { a: 1 } } })]);
    const [outcome] = await waitUntil("the outcome is published", 20_000, async () => {
      const found = await stage.outcomes(id);
      return found.length > 0 ? found : undefined;
    });
    expect(outcome).toMatchObject({
      outcome: "delivered",
      plugin: "probe",
      team: "team-1",
      responseId: "r-1",
      attempt: 1,
    });
    await stage.committed();
  });
});
