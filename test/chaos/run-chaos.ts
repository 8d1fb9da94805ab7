import { setTimeout as pause } from "node:timers/promises";
import { checkEffects, type EffectFindings, effectsDone } from "./check-effects.ts";
import { checkHistory, type Findings } from "./check-history.ts";
import { Dice } from "./dice.ts";
import type { Fault } from "./faults/fault.ts";
import { gatherHistory } from "./gather-history.ts";
import type { FaultWindow } from "./journal.ts";
import { Load } from "./load.ts";
import { type Recovery, recoveries } from "./recovery.ts";
import { type Delivery, Rig } from "./rig.ts";
import { STEADY_PLUGIN, TROUBLED_TEAM } from "./teams.ts";
import { Toggler } from "./toggler.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly perSecond: number;
  /** Faults go on, in pairs, until so much time has passed; each alone comes first, however long that takes. */
  readonly minutes: number;
  readonly faults: readonly Fault[];
  readonly logs: string;
  readonly report: (line: string) => void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly events: number;
  readonly copies: number;
  /** Copies that were parked: late, not lost. */
  readonly parked: number;
  /** Sends that the producer had to make again. */
  readonly sendsRepeated: number;
  readonly recoveries: readonly Recovery[];
  readonly findings: Findings;
  readonly effects: EffectFindings;
  /** Faults after which something did not come back by itself, with what. */
  readonly stuck: readonly string[];
}

const QUIET_MS = 5_000;

/** Brings an installation up, breaks it fault by fault under load, heals it, and holds its topics against what had to be there. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, delivery, report } = options;
  const dice = new Dice(seed);
  const rig = await Rig.open({ delivery, logs: options.logs, report });
  const load = new Load(rig.producer, options.perSecond);
  const toggler = new Toggler(rig);
  const stuck: string[] = [];
  try {
    load.start();
    toggler.start();
    await pause(QUIET_MS);
    await injectAll(rig, options, dice, stuck);
    await Promise.all([load.stop(), toggler.stop()]);
    for (const settle of [() => rig.settled(), () => effectsDone(rig)])
      await settle().catch((error: Error) => stuck.push(`at the end: ${error.message}`));
    report("reading every topic");
    await Promise.all([...rig.routers, ...rig.plugins].map((service) => service.end("SIGTERM")));
    rig.journal.readRouterLogs(rig.routers.map(({ logFile }) => logFile));
    const { history, due } = await gatherHistory(rig, load);
    const steady = history.copies.filter(({ plugin, parked }) => plugin === STEADY_PLUGIN && !parked);
    const trouble = rig.journal.windows.filter(({ fault }) => fault.includes("vendor-"));
    return {
      seed,
      delivery,
      events: history.inputs.length,
      copies: history.copies.length,
      parked: history.copies.filter(({ parked }) => parked).length,
      sendsRepeated: load.failures,
      recoveries: recoveries(rig.journal.windows, history.inputs, steady, due),
      findings: checkHistory(history),
      effects: await checkEffects(
        rig,
        history.copies,
        ({ team, appendedAt }) => team === TROUBLED_TEAM && trouble.some((window) => appendedAt <= window.settledAt),
      ),
      stuck,
    };
  } finally {
    await rig.close();
  }
}

/** Each alone, in an order the seed gives; then pairs of those that take different parts, until the time is over. */
async function injectAll(rig: Rig, options: ChaosOptions, dice: Dice, stuck: string[]): Promise<void> {
  const until = Date.now() + options.minutes * 60_000;
  for (const fault of dice.shuffled(options.faults)) await injectTogether(rig, [fault], options, dice, stuck);
  while (Date.now() < until && stuck.length === 0) {
    const one = dice.oneOf(options.faults);
    const others = options.faults.filter(({ touches }) => touches.every((part) => !one.touches.includes(part)));
    const together = others.length === 0 ? [one] : [one, dice.oneOf(others)];
    await injectTogether(rig, together, options, dice, stuck);
  }
}

async function injectTogether(
  rig: Rig,
  faults: readonly Fault[],
  { report }: ChaosOptions,
  dice: Dice,
  stuck: string[],
): Promise<void> {
  const name = faults.map((fault) => fault.name).join(" + ");
  const window: FaultWindow = {
    fault: name,
    injectedAt: Date.now(),
    healedAt: Number.POSITIVE_INFINITY,
    settledAt: Number.POSITIVE_INFINITY,
  };
  rig.journal.windows.push(window);
  report(`${name}: ${faults.map((fault) => fault.what).join("; ")}`);
  try {
    const heals = [];
    for (const fault of faults) heals.push(await fault.inject(rig, dice));
    await pause(Math.max(...faults.map((fault) => fault.standsMs)));
    for (const heal of heals) await heal();
    window.healedAt = Date.now();
    await rig.settled();
  } catch (error) {
    stuck.push(`${name}: ${(error as Error).message}`);
  }
  window.healedAt = Math.min(window.healedAt, Date.now());
  window.settledAt = Date.now();
  await pause(QUIET_MS);
}
