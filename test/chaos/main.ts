import { randomInt } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "@plugboard/stack";
import { Command, InvalidArgumentError, Option } from "commander";
import { drill } from "./drill.ts";
import { FAULTS } from "./faults/all.ts";
import { Load } from "./load.ts";
import { pluginChaos } from "./plugins/plugin-chaos.ts";
import { reportOf, violations } from "./report.ts";
import { type Delivery, Rig } from "./rig.ts";
import { runChaos } from "./run-chaos.ts";

interface Flags {
  readonly seed: number;
  readonly minutes: number;
  readonly pairs: number;
  readonly repeat: number;
  readonly fault: readonly string[];
  readonly delivery: Delivery;
  readonly rate: number;
  readonly threads: number;
  readonly from?: string;
  readonly short?: boolean;
  readonly list?: boolean;
  readonly hold?: boolean;
  readonly drill?: boolean;
  readonly plugins?: boolean;
  readonly killSeconds: number;
  readonly json?: string;
  readonly logs: string;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("must be a number above 0");
  return value;
}

const program = new Command("npm run chaos --")
  .description(
    "Breaks a whole Plugboard of its own in every way docs/RUNBOOK.md knows, and checks that nothing is lost.",
  )
  .option("--seed <number>", "repeats a run's choices", positive, randomInt(1, 2 ** 31))
  .option("--minutes <number>", "after the faults alone, pairs of them until so much time has passed", positive, 0)
  .option("--pairs <number>", "only so many pairs, of all faults or of those of --fault", positive, 0)
  .option("--repeat <number>", "each fault alone so many times", positive, 1)
  .option("--fault <name...>", "only these faults", [])
  .addOption(
    new Option("--delivery <mode>", "how the routers deliver")
      .choices(["at-least-once", "exactly-once"])
      .default("at-least-once"),
  )
  .option("--rate <number>", "events per second", positive, 300)
  .option("--threads <number>", "threads of each router", positive, 1)
  .option(
    "--from <commit>",
    "all processes have that version at first; rolling-restart replaces them by this one, and the next time back",
  )
  .option("--short", "a handful of the faults")
  .option("--list", "names the faults and ends")
  .option(
    "--hold",
    "brings everything up under load, breaks nothing, and stays until Ctrl-C: to try the runbook by hand",
  )
  .option("--drill", "runs the commands of docs/RUNBOOK.md that are marked for it")
  .option("--plugins", "breaks plugins written with the SDK, and what they stand on, instead of the routers")
  .option(
    "--kill-seconds <number>",
    "with --plugins: how long their instances are killed one after the other",
    positive,
    60,
  )
  .option("--json <file>", "writes the result there too")
  .option("--logs <directory>", "where the processes' logs go", join(projectRoot(), ".plugboard", "chaos"))
  .parse();
const flags = program.opts<Flags>();

if (flags.plugins === true) await runPlugins();
else if (flags.list === true) for (const { name, what } of FAULTS) say(`${name.padEnd(26)}${what}`);
else if (flags.hold === true) await hold();
else if (flags.drill === true) await runDrill();
else await run();

async function run(): Promise<void> {
  const unknown = flags.fault.filter((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown.length > 0) program.error(`error: no such fault: ${unknown.join(", ")}; --list names them`);
  const chosen = FAULTS.filter(({ name }) => flags.fault.includes(name));
  const faults = chosen.length > 0 ? chosen : FAULTS.filter(({ short }) => flags.short !== true || short === true);
  say(`seed ${flags.seed}`);
  const { delivery, rate: perSecond, seed, threads, from, logs } = flags;
  const { minutes, repeat, pairs: count } = flags;
  const what = count > 0 ? { faults: [], pairs: { count, of: faults } } : { faults, minutes, repeat };
  const result = await runChaos({ seed, delivery, perSecond, threads, from, ...what, logs, report: say });
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  say(reportOf(result));
  const broken = [...violations(result)].filter(([, items]) => items.length > 0);
  if (result.notDone.length > 0) process.exitCode = 1;
  if (broken.length === 0) return say("Nothing lost, misrouted, out of order or stuck.");
  const again = [
    ...flags.fault.map((name) => `--fault ${name}`),
    ...(flags.short === true ? ["--short"] : []),
    ...(count > 0 ? [`--pairs ${count}`] : []),
    ...(repeat > 1 ? [`--repeat ${repeat}`] : []),
    ...(minutes > 0 ? [`--minutes ${minutes}`] : []),
    ...(threads > 1 ? [`--threads ${threads}`] : []),
    ...(from !== undefined ? [`--from ${from}`] : []),
  ];
  say(`Broken: ${broken.map(([what, items]) => `${items.length} ${what}`).join(", ")}. Logs: ${logs}`);
  say(`Again: npm run chaos -- --seed ${seed} --delivery ${delivery} ${again.join(" ")}`);
  process.exitCode = 1;
}

async function runPlugins(): Promise<void> {
  const { seed, rate: perSecond, pairs, repeat, minutes, fault: names, list = false, killSeconds, logs, json } = flags;
  const killForMs = killSeconds * 1_000;
  const clean = await pluginChaos({ seed, perSecond, pairs, repeat, minutes, names, list, killForMs, logs, json, say });
  if (!clean) process.exitCode = 1;
}

async function runDrill(): Promise<void> {
  const { delivery, seed, rate: perSecond, logs } = flags;
  const failed = await drill({ delivery, seed, perSecond, logs, report: say });
  say(failed.length === 0 ? "Every command works, and did what it is for." : `Failed: ${failed.join("; ")}`);
  if (failed.length > 0) process.exitCode = 1;
}

async function hold(): Promise<void> {
  const rig = await Rig.open({ delivery: flags.delivery, logs: flags.logs, report: say });
  const load = new Load(rig.producer, flags.rate);
  load.start();
  say(
    `${Object.entries(rig.shell)
      .map(([name, value]) => `export ${name}='${value}'`)
      .join("\n")}`,
  );
  say(`Logs: ${flags.logs}. Ctrl-C ends it.`);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await rig.close();
  process.exit(0);
}
