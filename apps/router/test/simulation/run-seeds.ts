import { type Confinement, runSchedule, type ScheduleResult } from "./run-schedule.ts";

/** What is to be run. */
export interface Seeds {
  /** Of the first schedule; the others have the next ones. */
  readonly seed: number;
  readonly schedules: number;
  readonly confinement: Confinement;
  /** Tells what happened also where nothing is wrong. */
  readonly trace: boolean;
}

/** Broken schedules that are told of in full; more would be the same again. */
export const TOLD_MAX = 3;
const COUNTED = ["inputs", "copies", "events", "simulatedMs", "repeated", "parked", "overtakenByRule"] as const;

/** What some schedules came to. Those told of are with what happened in them. */
export interface Outcome {
  readonly totals: Record<(typeof COUNTED)[number], number>;
  readonly broken: number;
  readonly told: readonly ScheduleResult[];
}

/** Runs schedules one after another, in this process. */
export async function runSeeds({ seed, schedules, confinement, trace }: Seeds): Promise<Outcome> {
  const totals = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Outcome["totals"];
  const told: ScheduleResult[] = [];
  let broken = 0;
  for (let index = 0; index < schedules; index += 1) {
    const result = await runSchedule(seed + index, confinement);
    for (const name of COUNTED) totals[name] += result[name];
    if (result.broken.length > 0) broken += 1;
    if (trace || (result.broken.length > 0 && broken <= TOLD_MAX)) told.push(result);
  }
  return { totals, broken, told };
}
