import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 30_000;
let stage: PluginStage;
let directory: string;
let effectsFile: string;

beforeEach(async () => {
  stage = await openStage("crasher");
  directory = await mkdtemp(join(tmpdir(), "plugboard-crash-"));
  effectsFile = join(directory, "effects");
});
afterEach(async () => {
  await stage.close();
  await rm(directory, { recursive: true });
});

const start = async (redeliver: "safe" | "unsafe") =>
  await startProcess({
    entry: "packages/plugin-sdk/test/support/crashing-plugin.ts",
    name: "crasher",
    env: stage.environment({ EFFECTS_FILE: effectsFile, REDELIVER: redeliver, LOG_LEVEL: "info" }),
  });
const effects = async () =>
  (await readFile(effectsFile, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");

describe("a process killed between a handler's effect and the commit", () => {
  test.each([
    ["safe", "delivered", 2],
    ["unsafe", "unknown", 1],
  ] as const)(
    "leaves a %s delivery to the next one, which records %s after %i effects",
    async (redeliver, outcome, count) => {
      stage.manager.enable("team-1");
      const id = await stage.route({ team: "team-1", response: "r-1" });
      const first = await start(redeliver);
      await waitUntil("the effect has happened", WAIT_MS, async () =>
        (await effects()).length === 1 ? true : undefined,
      );
      await first.kill("SIGKILL");
      const second = await start(redeliver);
      try {
        expect(await stage.settled(id)).toBe(outcome);
        expect(await effects()).toEqual([`${id} 1`, `${id} 2`].slice(0, count));
        await stage.committed();
      } finally {
        await second.kill("SIGTERM");
      }
      expect(await second.exited).toBe(0);
      const outcomes = await stage.outcomes(id);
      expect(outcomes.at(-1)?.outcome).toBe(outcome);
      expect(stage.manager.heardOf("DELETE", /instances/)).toHaveLength(1);
    },
  );
});
