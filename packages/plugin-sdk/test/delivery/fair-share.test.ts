import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, type RunningPlugin, retry } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 60_000;
const TEST_MS = 240_000;
let stage: PluginStage;
let refuses: (team: string) => boolean;
let calls: Map<string, number>;

beforeEach(async () => {
  stage = await openStage("shared", 2);
  refuses = () => false;
  calls = new Map();
});
afterEach(() => stage.close());

const shared = definePlugin({
  metadata: { id: "shared", name: "Shared", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({}),
  onEvent: async ({ team }) => {
    calls.set(team, (calls.get(team) ?? 0) + 1);
    return refuses(team) ? retry("answers 429") : undefined;
  },
});
const settled = async (team: string) =>
  (await stage.query("SELECT 1 FROM deliveries WHERE team LIKE $1 AND outcome = 'delivered'", [team])).length;
const ready = async (plugin: RunningPlugin) =>
  (await (await fetch(`${plugin.url}/readyz`)).json()) as { checks: { name: string; problem?: string | null }[] };
const metric = async (plugin: RunningPlugin, name: string) => {
  const text = await (await fetch(`${plugin.url}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1]);
};

describe("a team whose vendor refuses", () => {
  test(
    "is parked alone, for all instances, without using its attempts up; and returns by itself",
    async () => {
      for (const team of ["refused", "other"]) stage.manager.enable(team);
      refuses = (team) => team === "refused";
      const [one, two] = [await stage.start(shared), await stage.start(shared)];
      for (let index = 0; index < 60; index += 1) await stage.route({ team: "refused", response: `r-${index}` });
      for (const plugin of [one, two]) {
        await waitUntil("it is known to be parked", WAIT_MS, async () =>
          (await metric(plugin, "plugin_parked_teams")) === 1 ? true : undefined,
        );
      }
      expect(JSON.stringify(await ready(one))).toContain("team refused: ");
      for (let index = 0; index < 40; index += 1) await stage.route({ team: "other", response: `o-${index}` });
      await waitUntil("the other team is served", WAIT_MS, async () =>
        (await settled("other")) === 40 ? true : undefined,
      );
      await stage.committed();
      refuses = () => false;
      await waitUntil("the team is served", 2 * WAIT_MS, async () =>
        (await settled("refused")) === 60 ? true : undefined,
      );
      for (const plugin of [one, two]) {
        await waitUntil("nobody is parked", WAIT_MS, async () =>
          (await metric(plugin, "plugin_parked_teams")) === 0 ? true : undefined,
        );
      }
      // What was there is in line, not in retries of its own: nothing became a dead letter.
      expect(await stage.query("SELECT 1 FROM deliveries WHERE outcome = 'failed'")).toEqual([]);
      expect(calls.get("other")).toBe(40);
    },
    TEST_MS,
  );

  test(
    "is parked after as many failures, and for as long, as the settings say",
    async () => {
      stage.manager.enable("refused");
      refuses = () => true;
      const plugin = await stage.start(shared, {
        PLUGIN_BREAKER_TEAM_FAILURES: "1",
        PLUGIN_BREAKER_OPEN_MS: "600000",
        PLUGIN_BREAKER_OPEN_MS_MAX: "600000",
      });
      await stage.route({ team: "refused", response: "r" });
      await waitUntil("it is parked", WAIT_MS, async () =>
        (await metric(plugin, "plugin_parked_teams")) === 1 ? true : undefined,
      );
      const [open] = await stage.query<{ left: number }>(
        "SELECT extract(epoch FROM open_until - now())::float8 AS left FROM sdk_breakers",
      );
      expect(open?.left).toBeGreaterThan(60);
    },
    TEST_MS,
  );
});

describe("a plugin whose vendor refuses everybody", () => {
  test(
    "leaves deliveries in their topic, and goes on by itself",
    async () => {
      const teams = Array.from({ length: 12 }, (_, index) => `team-${index}`);
      for (const team of teams) stage.manager.enable(team);
      refuses = () => true;
      const plugin = await stage.start(shared);
      for (const team of teams) await stage.route({ team, response: team });
      await waitUntil("its breaker is open", WAIT_MS, async () =>
        (await metric(plugin, "plugin_breaker_open")) === 1 ? true : undefined,
      );
      for (let index = 0; index < 20; index += 1)
        for (const team of teams) await stage.route({ team, response: `${team}-${index}` });
      expect(JSON.stringify(await ready(plugin))).toContain("the whole plugin: ");
      refuses = () => false;
      await waitUntil("everybody is served", 2 * WAIT_MS, async () =>
        (await settled("team-%")) === 12 * 21 ? true : undefined,
      );
      expect(await metric(plugin, "plugin_breaker_open")).toBe(0);
    },
    TEST_MS,
  );
});
