import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 120_000;
const TEAMS = 4;
let stage: PluginStage;

beforeEach(async () => {
  stage = await openStage("mortal");
  for (let team = 1; team <= TEAMS; team += 1) stage.manager.enable(`team-${team}`);
});
afterEach(() => stage.close());

const start = () =>
  startProcess({
    entry: "packages/plugin-sdk/test/support/poisoned-plugin.ts",
    name: "mortal",
    env: stage.environment({ LOG_LEVEL: "warn" }),
  });

describe("deliveries in flight beside one that ends their process", () => {
  test("are delivered, and it alone is set aside: suspects are tried one at a time", async () => {
    const beside: string[] = [];
    const route = async (name: string) => {
      for (let team = 1; team <= TEAMS; team += 1)
        beside.push(await stage.route({ team: `team-${team}`, response: `${name}-${team}`, id: `${name}-${team}` }));
    };
    const metBy = () =>
      stage.query<{ id: string; state: string }>("SELECT id, state FROM deliveries WHERE attempts > 0").catch(() => []);
    await route("old");
    const poison = await stage.route({ team: "team-1", response: "poison", id: "poison" });
    const first = await start();
    await first.exited;
    const cutShort = (await metBy()).filter(({ state }) => state === "started").map(({ id }) => id);
    // Those of old that were under way when the process ended: all suspects, like the one that ended it.
    expect(cutShort).toContain(poison);
    expect(cutShort.filter((id) => beside.includes(id))).not.toEqual([]);
    const all = () => [poison, ...beside];
    const settled = () => stage.query("SELECT FROM deliveries WHERE state = 'settled' AND id = ANY ($1)", [all()]);
    let crashes = 1;
    for (let allSettled = false; !allSettled; ) {
      // Something new is under way beside the poison each time.
      await route(`new-${crashes}`);
      const process = await start();
      let crashed = false;
      void process.exited.then(() => {
        crashed = true;
      });
      allSettled = await waitUntil("it has crashed, or settled everything", WAIT_MS, async () => {
        if (crashed) return false;
        return (await settled()).length === all().length ? true : undefined;
      });
      if (crashed) crashes += 1;
      else await process.kill("SIGTERM");
    }
    const outcomes = await stage.query<{ id: string; outcome: string }>("SELECT id, outcome FROM deliveries");
    expect(outcomes.filter(({ outcome }) => outcome !== "delivered")).toEqual([{ id: poison, outcome: "failed" }]);
    expect(crashes).toBe(3);
  }, 400_000);
});
