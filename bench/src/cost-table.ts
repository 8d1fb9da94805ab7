import { decimal, type Grid, megabytes, thousands } from "./grid.ts";
import type { ThroughputRun, ThroughputSet } from "./result.ts";
import { spreadOf } from "./summary.ts";

/** Whether a result is one router's work at many sizes and fan-outs, rather than many routers' at one. */
export function showsCost(sets: readonly ThroughputSet[]): boolean {
  const shapes = new Set(sets.map(({ workload: { size, fanout } }) => `${size}/${fanout}`));
  return sets.length > 1 && shapes.size === sets.length;
}

/** How the cost grows: a row for each size of record, a column for each fan-out; medians of valid runs. */
export function costGrids(sets: readonly ThroughputSet[]): Grid[] {
  const fanouts = [...new Set(sets.map(({ workload }) => workload.fanout))];
  const sizes = [...new Set(sets.map(({ workload }) => workload.size))];
  const grid = (
    title: string,
    cell: (run: ThroughputRun, set: ThroughputSet) => number,
    text: (value: number) => string,
  ) => ({
    title,
    head: ["bytes of a record", ...fanouts.map((fanout) => `fan-out ${fanout}`)],
    rows: sizes.map((size) => [
      thousands(size),
      ...fanouts.map((fanout) => {
        const set = sets.find(({ workload }) => workload.size === size && workload.fanout === fanout);
        const values = set?.runs.filter(({ valid }) => valid).map((run) => cell(run, set)) ?? [];
        const median = spreadOf(values)?.median;
        return median === undefined ? "–" : text(median);
      }),
    ]),
  });
  const whole = (set: ThroughputSet) => Math.max(1, set.workload.fanout);
  return [
    grid("Records in/s", ({ recordsPerSecond }) => recordsPerSecond, thousands),
    grid("Copies out/s", ({ recordsPerSecond }, { workload }) => recordsPerSecond * workload.fanout, thousands),
    grid(
      "Router's CPU per copy, µs (fan-out 0: per record)",
      ({ recordsPerCoreSecond }, set) => 1_000_000 / (recordsPerCoreSecond ?? Number.NaN) / whole(set),
      (value) => (value < 100 ? decimal(value) : thousands(value)),
    ),
    grid("Router's memory at most", ({ rssBytesMax }) => rssBytesMax, megabytes),
  ];
}
