import { writeFileSync } from "node:fs";
import { PLUGIN_FAULTS } from "./plugin-faults.ts";
import { pluginReportOf, violationsOfPlugins } from "./plugin-report.ts";
import { KINDS } from "./roster.ts";
import { runPluginChaos } from "./run-plugin-chaos.ts";

export interface PluginChaosFlags {
  readonly seed: number;
  readonly perSecond: number;
  readonly pairs: number;
  readonly repeat: number;
  readonly minutes: number;
  /** Of the faults; all of them when there are none. */
  readonly names: readonly string[];
  /** Only names the faults. */
  readonly list: boolean;
  readonly killForMs: number;
  readonly logs: string;
  readonly json: string | undefined;
  readonly say: (line: string) => void;
}

const SIZE = { brokers: 3, managers: 2, instances: 2 } as const;
const TEAMS = 24;

/** `npm run chaos -- --plugins`. @returns whether nothing was broken, and everything done as it is meant. */
export async function pluginChaos(flags: PluginChaosFlags): Promise<boolean> {
  const { seed, perSecond, pairs, repeat, minutes, names, killForMs, logs, json, say } = flags;
  if (flags.list) for (const { name, what } of PLUGIN_FAULTS) say(`${name.padEnd(26)}${what}`);
  if (flags.list) return true;
  const unknown = names.filter((name) => !PLUGIN_FAULTS.some((fault) => fault.name === name));
  if (unknown.length > 0)
    throw new Error(`no such fault of plugins: ${unknown.join(", ")}; --plugins --list names them`);
  const faults = names.length === 0 ? PLUGIN_FAULTS : PLUGIN_FAULTS.filter(({ name }) => names.includes(name));
  say(`seed ${seed}`);
  const what = pairs > 0 ? { faults: [], pairs: { count: pairs, of: faults } } : { faults, repeat, minutes };
  const rig = { kinds: KINDS, teams: TEAMS, size: SIZE, killForMs, logs };
  const result = await runPluginChaos({ seed, perSecond, ...what, ...rig, report: say });
  const plain = { ...result, broken: Object.fromEntries(result.broken), counts: Object.fromEntries(result.counts) };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(plain, null, 2)}\n`);
  say(pluginReportOf(result));
  const broken = violationsOfPlugins(result);
  if (broken.length === 0 && result.notDone.length === 0)
    say("Nothing lost, nothing doubled, nothing out of order or stuck.");
  else say(`Broken: ${broken.map(([what, items]) => `${items.length} ${what}`).join(", ")}. Logs: ${logs}`);
  return broken.length === 0 && result.notDone.length === 0;
}
