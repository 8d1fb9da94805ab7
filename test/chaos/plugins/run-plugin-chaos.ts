import { setTimeout as pause } from "node:timers/promises";
import { Dice } from "../dice.ts";
import { type Failures, type FaultPlan, injectAll } from "../inject-faults.ts";
import { gatherEffects } from "./gather-effects.ts";
import { type EffectVerdict, judgePlugins } from "./judge-effects.ts";
import { PluginLoad } from "./plugin-load.ts";
import { type PluginRecovery, pluginRecoveries } from "./plugin-recovery.ts";
import { PluginRig, type PluginRigOptions } from "./plugin-rig.ts";

export interface PluginChaosOptions extends FaultPlan<PluginRig>, Omit<PluginRigOptions, "report"> {
  readonly seed: number;
  readonly perSecond: number;
}

export interface PluginChaosResult extends EffectVerdict {
  readonly seed: number;
  readonly kills: number;
  readonly recoveries: readonly PluginRecovery[];
  /** Sends that the producer had to make again. */
  readonly sendsRepeated: number;
  /** As in {@link Failures}. */
  readonly stuck: readonly string[];
  readonly notDone: readonly string[];
}

/** How long the load goes on before the first fault and after the last. */
const LOAD_MS = 3_000;

/** Brings plugins up, breaks them and what they stand on under load, heals, and holds every delivery against what had to become of it. */
export async function runPluginChaos(options: PluginChaosOptions): Promise<PluginChaosResult> {
  const { seed, report } = options;
  const rig = await PluginRig.open(options);
  // Chance of its own: how many events there are hangs on the machine, and must not change what is broken.
  const load = new PluginLoad(rig.producer, options.perSecond, { ...options, teams: rig.teams }, new Dice(seed + 1));
  const failures: Failures = { stuck: [], notDone: [] };
  try {
    load.start();
    await pause(LOAD_MS);
    await injectAll(rig, options, new Dice(seed), failures);
    await pause(LOAD_MS);
    await load.stop();
    await rig.settled().catch((error: Error) => failures.stuck.push(`at the end: ${error.message}`));
    report("reading every topic and table");
    await Promise.all(rig.instances.map(({ service }) => service.end("SIGTERM")));
    const history = await gatherEffects(rig, load.acknowledged);
    const { windows, disturbances } = rig.journal;
    return {
      seed,
      ...judgePlugins(history),
      kills: disturbances.filter(({ what }) => what.startsWith("kill")).length,
      recoveries: pluginRecoveries(windows, history),
      sendsRepeated: load.failures,
      ...failures,
    };
  } finally {
    await load.abandon();
    await rig.close();
  }
}
