import { randomInt } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { ATTEMPTS_MAX } from "../attempted.ts";
import type { Broken } from "./judge-effects.ts";
import { ALWAYS, SHORT_PLUGIN_FAULTS } from "./plugin-faults.ts";
import { SDK_MUTATIONS } from "./sdk-mutations.ts";
import { shortRun } from "./short-run.ts";

const { CHAOS_SEED = randomInt(1, 2 ** 31) } = process.env;
const SEED = Number(CHAOS_SEED);
const DEADLINE_MS = 900_000;
/** Whether a kill falls between two steps is chance, which another run has as well. */
const RUNS_MAX = 3;

/** It takes minutes of both cores, so `npm test` leaves it out unless it is named (jest.config.mjs). */
describe(`rules of the SDK that are broken on purpose, under chaos (CHAOS_SEED=${SEED})`, () => {
  test(
    "are found out",
    async () => {
      const mutations = Object.keys(SDK_MUTATIONS);
      const wanted = Object.values(SDK_MUTATIONS).flatMap((mutation) => mutation.found);
      const faults = [ALWAYS, ...SHORT_PLUGIN_FAULTS.filter(({ name }) => name === "all-instances-killed")];
      const found = new Set<Broken>();
      for (let runs = 0; runs < RUNS_MAX && wanted.some((what) => !found.has(what)); runs += 1) {
        const how = { seed: SEED, faults, kinds: ["ledger", "text", "pay"] as const, mutations, settleMs: 12_000 };
        const { broken } = await shortRun("chaos-plugins-mutated", how);
        for (const [what, items] of broken) if (items.length > 0) found.add(what);
      }
      expect([...found]).toEqual(expect.arrayContaining(wanted));
    },
    RUNS_MAX * ATTEMPTS_MAX * DEADLINE_MS,
  );
});
