import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startPostgres, waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 45_000;
let stage: PluginStage;
let handled: string[] = [];
beforeEach(async () => {
  handled = [];
  stage = await openStage("fleet", 3);
});
afterEach(async () => {
  await stage.close();
});

const fleet = definePlugin({
  metadata: { id: "fleet", name: "Fleet", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({}),
  handlerDeadlineMs: 3_000,
  onEvent: async ({ event, attempt }) => {
    handled.push(`${event.responseId}/${event.id}`);
    // Every seventh fails once, so that retries run beside the live lane.
    if (attempt === 1 && Number(event.id) % 7 === 0) throw new Error("once");
    return undefined;
  },
});

/** Routes events 1..count of ten teams; each team has five responses, whose events come in order. */
async function routeMany(from: number, to: number): Promise<void> {
  for (let index = from; index <= to; index += 1) {
    await stage.route({ team: `team-${index % 10}`, response: `r-${index % 50}`, id: String(index) });
  }
}
const delivered = async () =>
  Number(
    (await stage.query<{ count: string }>("SELECT count(*) FROM deliveries WHERE outcome = 'delivered'"))[0]?.count,
  );

describe("several instances", () => {
  test("that come and go handle every delivery, each as often as needed, in order per response", async () => {
    for (let team = 0; team < 10; team += 1) stage.manager.enable(`team-${team}`);
    const first = await stage.start(fleet);
    await routeMany(1, 100);
    await stage.start(fleet);
    await routeMany(101, 200);
    await first.stop();
    await routeMany(201, 300);
    await waitUntil("all are delivered", WAIT_MS, async () => ((await delivered()) === 300 ? true : undefined));
    await stage.committed();
    expect(handled).toHaveLength(300 + Math.floor(300 / 7));
    for (let response = 0; response < 50; response += 1) {
      const ofResponse = handled
        .filter((one) => one.startsWith(`r-${response}/`))
        .map((one) => Number(one.split("/")[1]));
      expect(ofResponse).toEqual(ofResponse.toSorted((a, b) => a - b));
    }
  });
});

describe("a Postgres that dies", () => {
  test("loses nothing: the topic waits until it is back", async () => {
    const postgres = await startPostgres();
    try {
      for (let team = 0; team < 10; team += 1) stage.manager.enable(`team-${team}`);
      const plugin = await stage.start(fleet, { DATABASE_URL: postgres.url });
      await routeMany(1, 20);
      await waitUntil("some are handled", WAIT_MS, () => (handled.length >= 20 ? true : undefined));
      await postgres.kill();
      await routeMany(21, 60);
      await waitUntil("the plugin says so", WAIT_MS, async () =>
        (await fetch(`${plugin.url}/readyz`)).status === 503 ? true : undefined,
      );
      await postgres.start();
      await stage.committed();
      await waitUntil("all are handled", WAIT_MS, () => (new Set(handled).size === 60 ? true : undefined));
      await plugin.stop();
    } finally {
      await postgres.stop();
    }
  }, 120_000);
});
