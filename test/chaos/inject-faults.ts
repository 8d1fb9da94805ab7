import { setTimeout as pause } from "node:timers/promises";
import type { Dice } from "./dice.ts";
import type { Fault } from "./faults/fault.ts";
import type { FaultWindow, Journal } from "./journal.ts";

/** What is broken, and how often. */
export interface FaultPlan<On> {
  /** The faults, each alone. */
  readonly faults: readonly Fault<On>[];
  /** How often each of them, in all; at least once. */
  readonly repeat?: number;
  /** So many times two of these at once, after those alone. */
  readonly pairs?: { readonly count: number; readonly of: readonly Fault<On>[] };
  /** Pairs go on until so much time has passed since the first fault. */
  readonly minutes?: number;
  /** How long nothing is done before each fault at least, milliseconds; without it as long as the fault asks for. */
  readonly quietMs?: number;
  readonly report: (line: string) => void;
}

export interface Failures {
  /** Faults after which something did not come back by itself, with what. */
  readonly stuck: string[];
  /** Faults that could not be injected or healed as they are meant: the experiment failed, not what it is made on. */
  readonly notDone: string[];
}

/** What can be broken: it tells when it is as it was before. */
export interface Breakable {
  readonly journal: Journal;
  settled(): Promise<void>;
}

/** How long nothing is done before a fault, unless it asks for more. */
export const QUIET_MS = 5_000;

/** Each alone, in an order the seed gives; then pairs of those that take different parts. */
export async function injectAll<On extends Breakable>(
  rig: On,
  plan: FaultPlan<On>,
  dice: Dice,
  failures: Failures,
): Promise<void> {
  const { faults, repeat = 1, pairs, minutes = 0 } = plan;
  const until = Date.now() + minutes * 60_000;
  const inject = (together: readonly Fault<On>[]) => injectTogether(rig, together, plan, dice, failures);
  for (let round = 0; round < repeat; round += 1) for (const fault of dice.shuffled(faults)) await inject([fault]);
  const count = pairs?.count ?? 0;
  for (let made = 0; (made < count || Date.now() < until) && failures.stuck.length === 0; made += 1)
    await inject(pairOf(pairs?.of ?? faults, dice));
}

/** Two that take different parts, as far as there are. */
function pairOf<On>(faults: readonly Fault<On>[], dice: Dice): Fault<On>[] {
  const one = dice.oneOf(faults);
  const others = faults.filter(({ touches }) => touches.every((part) => !one.touches.includes(part)));
  return others.length === 0 ? [one] : [one, dice.oneOf(others)];
}

async function injectTogether<On extends Breakable>(
  rig: On,
  faults: readonly Fault<On>[],
  { report, quietMs }: Pick<FaultPlan<On>, "report" | "quietMs">,
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
