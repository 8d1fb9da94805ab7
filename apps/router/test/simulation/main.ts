import { flags, replaceSources } from "./options.ts";

replaceSources();
const { runSchedules } = await import("./run-schedules.ts");
const { schedules, seed, fault: faults, delivery, trace = false, processes } = flags;
process.exitCode = await runSchedules({
  schedules,
  seed,
  confinement: { faults, delivery },
  trace,
  processes: Math.min(processes, schedules),
  say: (line) => void process.stdout.write(`${line}\n`),
});
