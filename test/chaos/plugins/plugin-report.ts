import Table from "cli-table3";
import { percentile } from "../waits.ts";
import type { EffectCounts } from "./judge-effects.ts";
import type { PluginChaosResult } from "./run-plugin-chaos.ts";

/** How many examples of a finding are shown. */
const EXAMPLES_MAX = 5;

/** Everything that must not be and was. */
export function violationsOfPlugins({ broken, stuck }: Pick<PluginChaosResult, "broken" | "stuck">) {
  return [...broken, ["did not come back", stuck] as const].filter(([, items]) => items.length > 0);
}

const COLUMNS: readonly (readonly [keyof EffectCounts, string])[] = [
  ["deliveries", "deliveries"],
  ["delivered", "delivered"],
  ["superseded", "superseded"],
  ["rejected", "rejected"],
  ["unknown", "unknown, explained"],
  ["effects", "effects"],
  ["repeated", "repeated, explained"],
  ["late", "landed late, explained"],
  ["copiesRepeated", "copies that came again"],
  ["deadLettersRepeated", "dead letters twice, explained"],
  ["unpublished", "outcomes not published, explained"],
];

/** The run for people: recovery times, counts of each plugin, and examples of what must not be. */
export function pluginReportOf(result: PluginChaosResult): string {
  const style = { head: [], border: [] };
  const seconds = (values: readonly number[]) =>
    [50, 100].map((of) => (percentile(values, of) / 1_000).toFixed(1)).join(" / ");
  const faults = new Table({
    head: ["fault, s: p50 / max", "times", "stood", "longest pause", "settled after"],
    style,
  });
  for (const [fault, times] of Map.groupBy(result.recoveries, ({ fault }) => fault))
    faults.push([
      fault,
      times.length,
      ...(["stoodMs", "pausedMs", "settledMs"] as const).map((figure) => seconds(times.map((one) => one[figure]))),
    ]);
  const counts = new Table({ head: ["plugin", ...COLUMNS.map(([, title]) => title)], style });
  for (const [kind, count] of result.counts) counts.push([kind, ...COLUMNS.map(([name]) => count[name])]);
  const wrong = violationsOfPlugins(result).map(([what, items]) => {
    const examples = items.slice(0, EXAMPLES_MAX).map((item) => `  ${item}\n`);
    return `${what}: ${items.length}\n${examples.join("")}`;
  });
  for (const what of result.notDone) wrong.push(`not injected or not healed as meant: ${what}\n`);
  const others = `kills: ${result.kills}; sends the producer made again: ${result.sendsRepeated}`;
  return `${faults.toString()}\n${counts.toString()}\n${others}\n${wrong.join("")}`;
}
