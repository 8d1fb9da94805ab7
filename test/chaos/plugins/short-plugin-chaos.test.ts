import { randomInt } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { ATTEMPTS_MAX } from "../attempted.ts";
import { Dice } from "../dice.ts";
import { ALWAYS, SHORT_PLUGIN_FAULTS } from "./plugin-faults.ts";
import { pluginReportOf, violationsOfPlugins } from "./plugin-report.ts";
import { shortRun } from "./short-run.ts";

/** `CHAOS_SEED` repeats a run's choices: what is broken, in which order, and who is hit. */
const { CHAOS_SEED = randomInt(1, 2 ** 31) } = process.env;
const SEED = Number(CHAOS_SEED);
/** A quiet machine takes a minute. Nothing is asserted of time; each wait inside has a deadline of its own, of minutes. */
const DEADLINE_MS = 900_000;

/** The short form of `npm run chaos -- --plugins`. */
describe(`plugins whose instances are killed under load (CHAOS_SEED=${SEED})`, () => {
  test(
    "lose and double nothing, and leave nothing open",
    async () => {
      const faults = [ALWAYS, ...new Dice(SEED).shuffled(SHORT_PLUGIN_FAULTS).slice(0, 1)];
      const kinds = ["ledger", "text", "pay", "bulk"] as const;
      const result = await shortRun("chaos-plugins-in-tests", { seed: SEED, faults, kinds });
      const broken = violationsOfPlugins(result);
      // All of it, when anything is wrong: the rig is gone by then.
      if (broken.length > 0) process.stderr.write(`seed ${SEED}\n${pluginReportOf(result)}`);
      expect(broken).toEqual([]);
      for (const { delivered } of result.counts.values()) expect(delivered).toBeGreaterThan(10);
    },
    ATTEMPTS_MAX * DEADLINE_MS,
  );
});
