import { join } from "node:path";
import { projectRoot } from "@plugboard/stack";
import { attempted } from "../attempted.ts";
import { violationsOfPlugins } from "./plugin-report.ts";
import { type PluginChaosOptions, type PluginChaosResult, runPluginChaos } from "./run-plugin-chaos.ts";

const PER_SECOND = 60;

type ShortRun = Pick<PluginChaosOptions, "seed" | "faults" | "kinds"> &
  Partial<Pick<PluginChaosOptions, "mutations" | "settleMs">>;

/**
 * A run of the chaos of plugins that a test can afford: one broker, one manager, two instances of each kind.
 * @param logs the folder below `.plugboard` that the processes' logs go to.
 */
export async function shortRun(logs: string, how: ShortRun): Promise<PluginChaosResult> {
  const rig = { size: { brokers: 1, managers: 1, instances: 2 }, teams: 8, quietMs: 500, killForMs: 8_000 } as const;
  return await attempted(
    `plugin chaos, seed ${how.seed}`,
    (report) =>
      runPluginChaos({
        ...rig,
        ...how,
        perSecond: PER_SECOND,
        logs: join(projectRoot(), ".plugboard", logs),
        report,
      }),
    (result) => violationsOfPlugins(result).length === 0,
  );
}
