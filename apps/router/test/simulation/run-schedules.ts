import { runInProcesses } from "./run-in-processes.ts";
import type { Confinement, ScheduleResult } from "./run-schedule.ts";
import { runSeeds, type Seeds, TOLD_MAX } from "./run-seeds.ts";

export interface SchedulesOptions extends Seeds {
  /** 1 runs them in this one. */
  readonly processes: number;
  readonly say: (line: string) => void;
}

/** @returns the exit status: 0 when nothing was broken. */
export async function runSchedules(options: SchedulesOptions): Promise<number> {
  const { schedules, seed, confinement, trace, processes, say } = options;
  say(`seed ${seed}`);
  const started = performance.now();
  const { totals, broken, told } = processes === 1 ? await runSeeds(options) : await runInProcesses(options, processes);
  const seconds = (performance.now() - started) / 1_000;
  const shown = trace ? told : told.slice(0, TOLD_MAX);
  for (const result of shown) tell(result, confinement, say);
  const { inputs, copies, events, simulatedMs, repeated, parked, overtakenByRule } = totals;
  say(
    `${schedules} schedules in ${seconds.toFixed(1)} s (${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${events} steps): ` +
      `${inputs} events, ${copies} copies, ${parked} parked, ${repeated} repeated for a cause, ${overtakenByRule} overtaken as the rule changed`,
  );
  say(broken === 0 ? "No promise was broken." : `${broken} schedules broke a promise.`);
  return broken === 0 ? 0 : 1;
}

function tell(
  { seed, delivery, faults, broken, trace }: ScheduleResult,
  confinement: Confinement,
  say: (line: string) => void,
): void {
  say(`\nseed ${seed}, ${delivery}, faults: ${faults.join(", ") || "none"}`);
  for (const line of trace) say(`    ${line}`);
  for (const line of broken) say(`  ${line}`);
  const only = [
    ...(confinement.delivery === undefined ? [] : ["--delivery", confinement.delivery]),
    ...(confinement.faults.length === 0 ? [] : ["--fault", ...confinement.faults]),
  ];
  say(`  Again: ${["npm run simulate -- --schedules 1 --seed", seed, ...only].join(" ")}`);
}
