import { execFile } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { interopLibraries, kafkaArtifacts, projectRoot } from "@plugboard/stack";
import { effectsDone } from "./check-effects.ts";
import { Dice } from "./dice.ts";
import { pluginTopicUnwritable } from "./faults/plugin-topic-unwritable.ts";
import { poisonRecords } from "./faults/poison-records.ts";
import { vendorRefuses } from "./faults/vendor-refuses.ts";
import { gatherHistory } from "./gather-history.ts";
import { Load } from "./load.ts";
import { Rig } from "./rig.ts";
import { runbookBlocks } from "./runbook-blocks.ts";
import { ENABLED, PROCESS_PLUGIN } from "./teams.ts";

const run = promisify(execFile);

const BLOCK_MS = 180_000;
const PREPARE_MS = 20_000;

/** Kafka's own tools by the name of their script, as the classes that the scripts start. */
const TOOLS: Readonly<Record<string, string>> = {
  configs: "kafka.admin.ConfigCommand",
  "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
  "console-producer": "org.apache.kafka.tools.ConsoleProducer",
  "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
  "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
  "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
  topics: "org.apache.kafka.tools.TopicCommand",
};

export interface DrillOptions {
  readonly delivery: "at-least-once" | "exactly-once";
  readonly seed: number;
  readonly perSecond: number;
  readonly logs: string;
  readonly report: (line: string) => void;
}

/**
 * Runs every command of docs/RUNBOOK.md that is marked `sh drill`, in its order, on an installation that has parked copies,
 * dead letters of both kinds, and load. Their output goes to `drill.log`. Then looks whether they did what they are for:
 * what was parked is in its topic, what was a dead letter had its effect.
 * @returns what failed: places in the runbook, and what its commands left undone.
 */
export async function drill(options: DrillOptions): Promise<string[]> {
  const { report, logs } = options;
  const rig = await Rig.open({ delivery: options.delivery, logs, report });
  const load = new Load(rig.producer, options.perSecond);
  try {
    load.start();
    const dice = new Dice(options.seed);
    for (const fault of [poisonRecords, vendorRefuses, pluginTopicUnwritable]) {
      report(`prepares: ${fault.what}`);
      const heal = await fault.inject(rig, dice);
      await new Promise((resolve) => setTimeout(resolve, Math.max(PREPARE_MS, fault.standsMs)));
      await heal();
    }
    await rig.settled();
    await load.stop();
    await effectsDone(rig);
    const prelude = join(logs, "drill-prelude.sh");
    writeFileSync(prelude, preludeOf(rig, await toolsClassPath(report)));
    const failed: string[] = [];
    for (const { line, text } of runbookBlocks().filter(({ drilled }) => drilled))
      if (!(await tried(line, text, prelude, options))) failed.push(`docs/RUNBOOK.md:${line}`);
    return [...failed, ...(await undone(rig, load))];
  } finally {
    await load.stop();
    await rig.close();
  }
}

/** What the routers and the commands had to bring back and did not. */
async function undone(rig: Rig, load: Load): Promise<string[]> {
  await effectsDone(rig);
  await Promise.all([...rig.routers, ...rig.plugins].map((service) => service.end("SIGTERM")));
  const { history } = await gatherHistory(rig, load);
  const direct = new Set(history.copies.filter(({ parked }) => !parked).map((copy) => `${copy.plugin} ${copy.origin}`));
  const missing = new Map<string, number>();
  for (const { team, origin } of history.inputs)
    for (const plugin of ENABLED[team] ?? [])
      if (!direct.has(`${plugin} ${origin}`)) missing.set(plugin, (missing.get(plugin) ?? 0) + 1);
  const deliveries = history.copies.filter(({ plugin }) => plugin === PROCESS_PLUGIN).map(({ delivery }) => delivery);
  const without = new Set(deliveries.filter((id) => !rig.sink.effects.has(id))).size;
  return [
    ...[...missing].map(([plugin, count]) => `${count} copies did not come back to plugin.${plugin}`),
    ...(without > 0 ? [`${without} deliveries had no effect`] : []),
  ];
}

async function tried(line: number, text: string, prelude: string, { logs, report }: DrillOptions): Promise<boolean> {
  const log = join(logs, "drill.log");
  appendFileSync(log, `\n=== docs/RUNBOOK.md:${line}\n${text}\n---\n`);
  const script = `set -euo pipefail\n. ${prelude}\n${text}`;
  const options = { cwd: projectRoot(), timeout: BLOCK_MS, maxBuffer: 64 * 1024 * 1024 };
  const result = await run("bash", ["-c", script], options).catch(
    (error: Error & { stdout?: string; stderr?: string }) => error,
  );
  appendFileSync(log, `${result.stdout ?? ""}${result.stderr ?? ""}`);
  const failed = result instanceof Error;
  report(`line ${line}: ${failed ? `failed: ${result.message.split("\n")[0]}; ${log} has its output` : "works"}`);
  return !failed;
}

/** Kafka's tools are in two places: with those that tests use, and with the broker. */
async function toolsClassPath(report: (line: string) => void): Promise<string> {
  const { libraries } = await kafkaArtifacts(process.env, report);
  return [await interopLibraries(process.env, report), libraries].map((place) => join(place, "*")).join(delimiter);
}

/** What the runbook has the operator set at its beginning, for this installation. */
function preludeOf(rig: Rig, classPath: string): string {
  const { shell } = rig;
  const variables = {
    ...shell,
    MANAGER: shell.MANAGER_URL,
    ADMIN: shell.PLUGBOARD_ADMIN_TOKEN,
    ROUTER: shell.ROUTER_1_URL,
    PLUGIN: shell.RECORDER_URL,
  };
  // The commands that it gives the operator are taken from there; only where Kafka's tools are is known here.
  const own = runbookBlocks()[0]?.text.replaceAll(/^export .*$/gm, "");
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`);
  const cases = Object.entries(TOOLS).map(([name, type]) => `    ${name}) type=${type} ;;`);
  return `${own}
${exports.join("\n")}
k() {
  local tool=$1 type; shift
  case $tool in
${cases.join("\n")}
  esac
  java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp '${classPath}' "$type" --bootstrap-server "$KAFKA_BROKERS" "$@"
}
`;
}
