import { setTimeout as pause } from "node:timers/promises";
import type { Lane } from "@plugboard/contract";
import { type Bystanders, bystanders } from "./bystanders.ts";
import { checkEffects, type EffectFindings, effectsDone } from "./check-effects.ts";
import { checkHistory } from "./check-history.ts";
import { Dice } from "./dice.ts";
import { pluginTopicDeleted } from "./faults/plugin-topic-deleted.ts";
import { pluginTopicUnwritable } from "./faults/plugin-topic-unwritable.ts";
import { gatherHistory } from "./gather-history.ts";
import { GroupWatch } from "./group-watch.ts";
import type { CopyRecord, Findings } from "./history.ts";
import { type Failures, type FaultPlan, injectAll, QUIET_MS } from "./inject-faults.ts";
import { Load } from "./load.ts";
import { type Recovery, recoveries } from "./recovery.ts";
import { type Delivery, Rig, type RigOptions } from "./rig.ts";
import { DOOMED_PLUGIN, FRAGILE_PLUGIN, TROUBLED_TEAM } from "./teams.ts";
import { Toggler } from "./toggler.ts";

export interface ChaosOptions extends FaultPlan<Rig> {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly perSecond: number;
  /** Of the installation; without it as production has it. */
  readonly size?: RigOptions["size"];
  /** Of each router; 1 without it. */
  readonly threads?: number;
  /** The commit whose version runs until a rolling restart; this one without it. */
  readonly from?: string | undefined;
  readonly logs: string;
}

export interface ChaosResult {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly events: number;
  /** Copies in plugins' topics, by lane. */
  readonly copies: Readonly<Record<Lane, number>>;
  /** Copies that were parked: late, not lost. */
  readonly parked: number;
  /** Sends that the producer had to make again. */
  readonly sendsRepeated: number;
  readonly recoveries: readonly Recovery[];
  /** What the other plugins felt while one plugin's topic could not be written, or was gone. */
  readonly bystanders: readonly Bystanders[];
  readonly findings: Findings;
  readonly effects: EffectFindings;
  /** Faults after which something did not come back by itself, with what. */
  readonly stuck: readonly string[];
  /** Faults that could not be injected or healed as they are meant: the experiment failed, not what it is made on. */
  readonly notDone: readonly string[];
}

/** Faults of one plugin's topic, of which the others should feel nothing once the cluster has got over what makes it so. */
const TOPIC_FAULTS = [
  { fault: pluginTopicUnwritable, plugin: FRAGILE_PLUGIN, failOverMs: 8_000 },
  { fault: pluginTopicDeleted, plugin: DOOMED_PLUGIN, failOverMs: 0 },
];

/** Brings an installation up, breaks it fault by fault under load, heals it, and holds its topics against what had to be there. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, delivery, report } = options;
  const dice = new Dice(seed);
  const rig = await Rig.open({
    delivery,
    logs: options.logs,
    report,
    ...(options.size !== undefined && { size: options.size }),
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.from !== undefined && { from: options.from }),
  });
  const load = new Load(rig.producer, options.perSecond);
  const toggler = new Toggler(rig);
  const watch = new GroupWatch(rig);
  const failures: Failures = { stuck: [], notDone: [] };
  try {
    load.start();
    toggler.start();
    watch.start();
    await injectAll(rig, options, dice, failures);
    await pause(QUIET_MS);
    await Promise.all([load.stop(), toggler.stop(), watch.stop()]);
    for (const settle of [() => rig.settled(), () => effectsDone(rig)])
      await settle().catch((error: Error) => failures.stuck.push(`at the end: ${error.message}`));
    report("reading every topic");
    await Promise.all([...rig.routers, ...rig.plugins].map((service) => service.end("SIGTERM")));
    rig.journal.readRouterLogs(rig.routers.map(({ logFile }) => logFile));
    const { history, due } = await gatherHistory(rig, load);
    const measured = { ...history, due, sights: watch.sights };
    const trouble = rig.journal.windows.filter(({ fault }) => fault.includes("vendor-"));
    return {
      seed,
      delivery,
      events: history.inputs.length,
      copies: countByLane(history.copies),
      parked: history.copies.filter(({ parked }) => parked).length,
      sendsRepeated: load.failures,
      recoveries: recoveries(measured),
      bystanders: TOPIC_FAULTS.flatMap(({ fault, plugin, failOverMs }) => {
        const beforeMs = fault.quietBeforeMs ?? QUIET_MS;
        return bystanders(measured, { fault: fault.name, plugin, beforeMs, failOverMs });
      }),
      findings: checkHistory(history),
      effects: await checkEffects(
        rig,
        history.copies,
        ({ team, appendedAt }) => team === TROUBLED_TEAM && trouble.some((window) => appendedAt <= window.settledAt),
      ),
      ...failures,
    };
  } finally {
    await Promise.all([load.abandon(), toggler.stop(), watch.stop()]);
    await rig.close();
  }
}

function countByLane(copies: readonly CopyRecord[]): Record<Lane, number> {
  const counts: Record<Lane, number> = { priority: 0, live: 0, bulk: 0 };
  for (const { lane, parked } of copies) if (!parked) counts[lane] += 1;
  return counts;
}
