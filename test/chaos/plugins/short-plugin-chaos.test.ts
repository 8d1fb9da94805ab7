import { randomInt } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { projectRoot } from "@plugboard/stack";
import { Dice } from "../dice.ts";
import type { Broken } from "./judge-effects.ts";
import { ALWAYS, SHORT_PLUGIN_FAULTS } from "./plugin-faults.ts";
import { pluginReportOf, violationsOfPlugins } from "./plugin-report.ts";
import type { Kind } from "./roster.ts";
import { type PluginChaosOptions, type PluginChaosResult, runPluginChaos } from "./run-plugin-chaos.ts";
import { SDK_MUTATIONS } from "./sdk-mutations.ts";

/** `CHAOS_SEED` repeats a run's choices: what is broken, in which order, and who is hit. */
const { CHAOS_SEED = randomInt(1, 2 ** 31) } = process.env;
const SEED = Number(CHAOS_SEED);
/** A quiet machine takes half a minute. Nothing is asserted of time; each wait inside has a deadline of its own, of minutes. */
const DEADLINE_MS = 900_000;
const PER_SECOND = 60;
/** A port may be taken while its process is down, or a process not start: then all of it is done anew, so many times. */
const ATTEMPTS_MAX = 3;
const RUNS_MAX = 3;
const KINDS: readonly Kind[] = ["ledger", "text", "pay"];

/** The short form of `npm run chaos -- --plugins`. */
describe(`plugins whose instances are killed under load (CHAOS_SEED=${SEED})`, () => {
  test(
    "lose and double nothing, and leave nothing open",
    async () => {
      const [other] = new Dice(SEED).shuffled(SHORT_PLUGIN_FAULTS);
      const faults = other === undefined ? [ALWAYS] : [ALWAYS, other];
      const result = await attempted("chaos-plugins-in-tests", { faults, kinds: [...KINDS, "bulk"], killForMs: 8_000 });
      const broken = violationsOfPlugins(result);
      // All of it, when anything is wrong: the rig is gone by then.
      if (broken.length > 0) process.stderr.write(`seed ${SEED}\n${pluginReportOf(result)}`);
      expect(broken).toEqual([]);
      for (const { delivered } of result.counts.values()) expect(delivered).toBeGreaterThan(10);
    },
    ATTEMPTS_MAX * DEADLINE_MS,
  );

  test(
    "are found out when a rule of the SDK is broken",
    async () => {
      const mutations = Object.keys(SDK_MUTATIONS);
      const wanted = Object.values(SDK_MUTATIONS).flatMap((mutation) => mutation.found);
      const faults = [ALWAYS, ...SHORT_PLUGIN_FAULTS.filter(({ name }) => name === "all-instances-killed")];
      const found = new Set<Broken>();
      // Whether a kill falls between two steps is chance, which a second run has as well.
      for (let runs = 0; runs < RUNS_MAX && wanted.some((what) => !found.has(what)); runs += 1) {
        const how = { faults, kinds: KINDS, killForMs: 8_000, mutations, settleMs: 12_000 };
        const { broken } = await attempted("chaos-plugins-mutated", how);
        for (const [what, items] of broken) if (items.length > 0) found.add(what);
      }
      expect([...found]).toEqual(expect.arrayContaining(wanted));
    },
    RUNS_MAX * ATTEMPTS_MAX * DEADLINE_MS,
  );
});

type How = Pick<PluginChaosOptions, "faults" | "kinds" | "killForMs"> &
  Partial<Pick<PluginChaosOptions, "repeat" | "mutations" | "settleMs">>;

/** What could not be done as it is meant says nothing about the plugins; what is broken does, whatever was done. */
async function attempted(logs: string, how: How): Promise<PluginChaosResult> {
  for (let attempt = 1; ; attempt += 1) {
    const lines: string[] = [];
    const failure = await runPluginChaos({
      seed: SEED,
      perSecond: PER_SECOND,
      teams: 8,
      size: { brokers: 1, managers: 1, instances: 2 },
      quietMs: 500,
      logs: join(projectRoot(), ".plugboard", logs),
      report: (line) => void lines.push(line),
      ...how,
    }).then(
      (result) =>
        violationsOfPlugins(result).length > 0 || result.notDone.length === 0
          ? result
          : new Error(result.notDone.join("; ")),
      (error: Error) => error,
    );
    if (!(failure instanceof Error)) return failure;
    process.stderr.write(`plugin chaos, seed ${SEED}: ${failure.message}\n${lines.join("\n")}\n`);
    if (attempt === ATTEMPTS_MAX) throw failure;
  }
}
