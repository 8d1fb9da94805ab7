import { setTimeout as pause } from "node:timers/promises";
import type { Lane } from "@plugboard/contract";
import { type Bystanders, bystanders } from "./bystanders.ts";
import { checkEffects, type EffectFindings, effectsDone } from "./check-effects.ts";
import { checkHistory } from "./check-history.ts";
import { Dice } from "./dice.ts";
import type { Fault } from "./faults/fault.ts";
import { pluginTopicDeleted } from "./faults/plugin-topic-deleted.ts";
import { pluginTopicUnwritable } from "./faults/plugin-topic-unwritable.ts";
import { gatherHistory } from "./gather-history.ts";
import { GroupWatch } from "./group-watch.ts";
import type { CopyRecord, Findings } from "./history.ts";
import type { FaultWindow } from "./journal.ts";
import { Load } from "./load.ts";
import { type Recovery, recoveries } from "./recovery.ts";
import { type Delivery, Rig, type RigOptions } from "./rig.ts";
import { DOOMED_PLUGIN, FRAGILE_PLUGIN, TROUBLED_TEAM } from "./teams.ts";
import { Toggler } from "./toggler.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly perSecond: number;
  /** The faults, each alone. */
  readonly faults: readonly Fault[];
  /** How often each of them, in all; at least once. */
  readonly repeat?: number;
  /** So many times two of these at once, after those alone. */
  readonly pairs?: { readonly count: number; readonly of: readonly Fault[] };
  /** Pairs go on until so much time has passed since the first fault. */
  readonly minutes?: number;
  /** How long nothing is done before each fault at least, milliseconds; without it as long as the fault asks for. */
  readonly quietMs?: number;
  /** Of the installation; without it as production has it. */
  readonly size?: RigOptions["size"];
  readonly logs: string;
  readonly report: (line: string) => void;
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

const QUIET_MS = 5_000;
/** Faults of one plugin's topic, of which the others should feel nothing once the cluster has got over what makes it so. */
const TOPIC_FAULTS = [
  { fault: pluginTopicUnwritable, plugin: FRAGILE_PLUGIN, failOverMs: 8_000 },
  { fault: pluginTopicDeleted, plugin: DOOMED_PLUGIN, failOverMs: 0 },
];

interface Failures {
  readonly stuck: string[];
  readonly notDone: string[];
}

/** Brings an installation up, breaks it fault by fault under load, heals it, and holds its topics against what had to be there. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, delivery, report } = options;
  const dice = new Dice(seed);
  const rig = await Rig.open({
    delivery,
    logs: options.logs,
    report,
    ...(options.size !== undefined && { size: options.size }),
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

/** Each alone, in an order the seed gives; then pairs of those that take different parts. */
async function injectAll(rig: Rig, options: ChaosOptions, dice: Dice, failures: Failures): Promise<void> {
  const { faults, repeat = 1, pairs, minutes = 0 } = options;
  const until = Date.now() + minutes * 60_000;
  const inject = (together: readonly Fault[]) => injectTogether(rig, together, options, dice, failures);
  for (let round = 0; round < repeat; round += 1) for (const fault of dice.shuffled(faults)) await inject([fault]);
  const count = pairs?.count ?? 0;
  for (let made = 0; (made < count || Date.now() < until) && failures.stuck.length === 0; made += 1)
    await inject(pairOf(pairs?.of ?? faults, dice));
}

/** Two that take different parts, as far as there are. */
function pairOf(faults: readonly Fault[], dice: Dice): Fault[] {
  const one = dice.oneOf(faults);
  const others = faults.filter(({ touches }) => touches.every((part) => !one.touches.includes(part)));
  return others.length === 0 ? [one] : [one, dice.oneOf(others)];
}

async function injectTogether(
  rig: Rig,
  faults: readonly Fault[],
  { report, quietMs }: ChaosOptions,
  dice: Dice,
  { stuck, notDone }: Failures,
): Promise<void> {
  const name = faults.map((fault) => fault.name).join(" + ");
  await pause(quietMs ?? Math.max(QUIET_MS, ...faults.map(({ quietBeforeMs = 0 }) => quietBeforeMs)));
  const window: FaultWindow = {
    fault: name,
    injectedAt: Date.now(),
    losesMember: faults.some(({ losesMember }) => losesMember === true),
    standing: faults.some(({ standing }) => standing === true),
    healedAt: Number.POSITIVE_INFINITY,
    settledAt: Number.POSITIVE_INFINITY,
  };
  rig.journal.windows.push(window);
  report(`${name}: ${faults.map((fault) => fault.what).join("; ")}`);
  const failed = (error: Error) => void notDone.push(`${name}: ${error.message}`);
  const heals: (() => Promise<void>)[] = [];
  for (const fault of faults) await fault.inject(rig, dice).then((heal) => void heals.push(heal), failed);
  await pause(Math.max(...faults.map((fault) => fault.standsMs)));
  for (const heal of heals) await heal().catch(failed);
  window.healedAt = Date.now();
  await rig.settled().catch((error: Error) => void stuck.push(`${name}: ${error.message}`));
  window.settledAt = Date.now();
}
