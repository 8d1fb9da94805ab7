import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 120_000;
const DELIVERIES = 300;
const KILLS = 4;
let stage: PluginStage;

beforeEach(async () => {
  stage = await openStage("ledger", 3);
});
afterEach(() => stage.close());

const start = () =>
  startProcess({
    entry: "packages/plugin-sdk/test/support/exact-plugin.ts",
    name: "ledger",
    env: stage.environment({ LOG_LEVEL: "warn" }),
  });
const count = async (sql: string) => Number((await stage.query<{ count: string }>(sql))[0]?.count ?? 0);
/** 0 before the first process has made the tables. */
const settledCount = () => count("SELECT count(*) FROM deliveries WHERE state = 'settled'").catch(() => 0);

describe("instances killed at work whose effects are in the delivery's transaction", () => {
  test("have each delivery's effect once when it was delivered, and not at all when it was set aside", async () => {
    for (let team = 0; team < 5; team += 1) stage.manager.enable(`team-${team}`);
    const ids: string[] = [];
    for (let index = 0; index < DELIVERIES; index += 1)
      ids.push(await stage.route({ team: `team-${index % 5}`, response: `r-${index}`, revision: 1 }));
    let running = [await start(), await start()];
    try {
      for (let kill = 1; kill <= KILLS; kill += 1) {
        const before = await settledCount();
        await waitUntil("there is progress", WAIT_MS, async () =>
          (await settledCount()) > Math.min(before, DELIVERIES - 1) ? true : undefined,
        );
        const [victim, ...others] = running;
        await victim?.kill("SIGKILL");
        running = [...others, await start()];
      }
      await waitUntil("all are settled", WAIT_MS, async () =>
        (await settledCount()) === DELIVERIES ? true : undefined,
      );
      const outcomes = await stage.query<{ id: string; outcome: string; effects: number }>(
        "SELECT d.id, d.outcome, (SELECT count(*)::int FROM effects e WHERE e.delivery = d.id) AS effects FROM deliveries d",
      );
      const wrong = outcomes.filter(({ outcome, effects }) => effects !== (outcome === "delivered" ? 1 : 0));
      expect(wrong).toEqual([]);
      // On a slow machine three kills may meet one delivery, twice as the only suspect: that is set aside, `failed`.
      expect(outcomes.filter(({ outcome }) => outcome !== "delivered" && outcome !== "failed")).toEqual([]);
      expect(outcomes.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    } finally {
      for (const one of running) await one.kill("SIGTERM");
    }
  }, 400_000);
});
