import { runSchedule, type ScheduleResult } from "./run-schedule.ts";

export interface SchedulesOptions {
  readonly schedules: number;
  /** Of the first. */
  readonly seed: number;
  readonly fault: readonly string[];
  readonly trace?: boolean;
  readonly say: (line: string) => void;
}

/** Broken schedules that are told of in full; more would be the same again. */
const TOLD_MAX = 3;

/** @returns the exit status: 0 when nothing was broken. */
export async function runSchedules({ schedules, seed, fault, trace, say }: SchedulesOptions): Promise<number> {
  say(`seed ${seed}`);
  const started = performance.now();
  const totals = { inputs: 0, copies: 0, events: 0, simulatedMs: 0, repeated: 0, parked: 0, overtakenByRule: 0 };
  let broken = 0;
  for (let index = 0; index < schedules; index += 1) {
    const result = await runSchedule(seed + index, fault);
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result[name];
    if (result.broken.length > 0) broken += 1;
    if ((result.broken.length > 0 && broken <= TOLD_MAX) || trace === true) tell(result, say);
  }
  const seconds = (performance.now() - started) / 1_000;
  const { inputs, copies, events, simulatedMs, repeated, parked, overtakenByRule } = totals;
  say(
    `${schedules} schedules in ${seconds.toFixed(1)} s (${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${events} steps): ` +
      `${inputs} events, ${copies} copies, ${parked} parked, ${repeated} repeated for a cause, ${overtakenByRule} overtaken as the rule changed`,
  );
  say(broken === 0 ? "No promise was broken." : `${broken} schedules broke a promise.`);
  return broken === 0 ? 0 : 1;
}

function tell({ seed, faults, broken, trace }: ScheduleResult, say: (line: string) => void): void {
  say(`\nseed ${seed}, faults: ${faults.join(", ") || "none"}`);
  for (const line of trace) say(`    ${line}`);
  for (const line of broken) say(`  ${line}`);
  say(`  Again: npm run simulate -- --schedules 1 --seed ${seed}`);
}
