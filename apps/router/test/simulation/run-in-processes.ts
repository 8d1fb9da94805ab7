import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Outcome, Seeds } from "./run-seeds.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));
/** Seeds that a process takes at a time: many enough that asking costs nothing, few enough that all end together. */
const SEEDS_AT_ONCE = 10;

/** Runs schedules in several processes, each with its own share of the seeds. @throws when one of them ends. */
export async function runInProcesses(options: Seeds, processes: number): Promise<Outcome> {
  const { schedules, seed } = options;
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = fork(WORKER, process.argv.slice(2), { execArgv: [...process.execArgv] });
    try {
      while (next < schedules) {
        const from = next;
        next += SEEDS_AT_ONCE;
        const { confinement, trace } = options;
        const count = Math.min(SEEDS_AT_ONCE, schedules - from);
        outcomes[from / SEEDS_AT_ONCE] = await ask(worker, { seed: seed + from, schedules: count, confinement, trace });
      }
    } finally {
      worker.kill();
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  return outcomes.reduce(sum);
}

function ask(worker: ChildProcess, task: Seeds): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error("a process of the simulation ended before its schedules"));
    worker.once("exit", ended);
    worker.once("message", (outcome: Outcome) => {
      worker.off("exit", ended);
      resolve(outcome);
    });
    worker.send(task);
  });
}

function sum(one: Outcome, other: Outcome): Outcome {
  const totals = { ...one.totals };
  for (const name of Object.keys(totals) as (keyof Outcome["totals"])[]) totals[name] += other.totals[name];
  return { totals, broken: one.broken + other.broken, told: [...one.told, ...other.told] };
}
