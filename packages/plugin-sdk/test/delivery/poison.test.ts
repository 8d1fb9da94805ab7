import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 90_000;
let stage: PluginStage;

beforeEach(async () => {
  stage = await openStage("mortal");
  stage.manager.enable("team-1");
});
afterEach(() => stage.close());

const start = () =>
  startProcess({
    entry: "packages/plugin-sdk/test/support/poisoned-plugin.ts",
    name: "mortal",
    env: stage.environment({ LOG_LEVEL: "warn" }),
  });

describe("a delivery that ends the process that handles it", () => {
  test("is set aside when two processes ended with it as their only suspect, with what follows it delivered", async () => {
    const poison = await stage.route({ team: "team-1", response: "r-1", id: "poison" });
    const behind = await stage.route({ team: "team-1", response: "r-1", id: "behind" });
    for (const crash of [1, 2, 3]) {
      const doomed = await start();
      await waitUntil(`crash ${crash}`, WAIT_MS, async () => {
        const rows = stage.query<{ attempts: number }>("SELECT attempts FROM deliveries WHERE id = $1", [poison]);
        // The first process makes the table.
        const [row] = await rows.catch(() => []);
        return (row?.attempts ?? 0) >= crash ? true : undefined;
      });
      await doomed.exited;
    }
    const other = await stage.route({ team: "team-1", response: "r-2", id: "other" });
    const last = await start();
    try {
      expect(await stage.settled(poison)).toBe("failed");
      expect(await stage.settled(behind)).toBe("delivered");
      expect(await stage.settled(other)).toBe("delivered");
      await stage.committed();
      const letters = await waitUntil("the dead letter is there", WAIT_MS, async () => {
        const found = await stage.records(stage.topics.deadLetter);
        return found.length > 0 ? found : undefined;
      });
      expect(letters.map((one) => [stage.header(one, "pb-delivery-id"), stage.header(one, "pb-attempts")])).toEqual([
        [poison, "3"],
      ]);
    } finally {
      await last.kill("SIGTERM");
    }
    expect(await last.exited).toBe(0);
  }, 240_000);
});
