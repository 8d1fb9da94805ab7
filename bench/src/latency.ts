import { join } from "node:path";
import { type BenchSession, PLUGIN_PARTITIONS, type PreparedWorkload } from "./bench-session.ts";
import { nodeCommand, startChild } from "./child.ts";
import { type OpenLoopAnswer, type OpenLoopJob, openLoopAnswer, type Pace, recordsOf } from "./open-loop.ts";
import { type CommonOptions, rateOf, repeatsOf, resultName, workloadSpec } from "./options.ts";
import { jobFor, type Peer, type PeerJob, topicsOf } from "./peers.ts";
import { ProcessUsage } from "./process-usage.ts";
import { shown } from "./progress.ts";
import type { LatencyRun, Result } from "./result.ts";
import { provenance } from "./result-files.ts";
import { orderOf } from "./summary.ts";
import { chosenPeers, say, withSession } from "./throughput.ts";
import { isFaultless } from "./verifier.ts";
import { Workload } from "./workload.ts";

/** Long enough for the JIT compilers of all of them. */
const WARM_UP_SECONDS = 10;
/** The floor: a record is consumed from the topic it was produced to. */
const DIRECT = "direct";

/** `latency`: an open loop at a fixed rate through each router, and through none. */
export async function measureLatency(options: CommonOptions): Promise<Result> {
  const pace = { ratePerSecond: rateOf(options), warmUpSeconds: WARM_UP_SECONDS, seconds: options.seconds };
  const spec = workloadSpec(options, { records: recordsOf(pace) });
  const routers: (Peer | null)[] = chosenPeers(options).filter(({ delivery }) => delivery !== "none");
  const peers = options.only === undefined || options.only.includes(DIRECT) ? [null, ...routers] : routers;
  return await withSession(options, async (session) => {
    const workload = new Workload(spec);
    const prepared = await shown("Routes", (report) => session.prepare(workload, false, report));
    if (routers.some((peer) => peer?.id.startsWith("plugboard")))
      await shown("Plugins registered and teams enabled through the manager", prepared.controlPlane);
    await shown("Java peers built", session.java);
    const runs: LatencyRun[] = [];
    for (let repeat = 0; repeat < repeatsOf(options); repeat++) {
      for (const peer of orderOf(peers, repeat)) {
        const title = `${peer?.title ?? "no router"}, ${rateOf(options)}/s, ${repeat + 1} of ${repeatsOf(options)}`;
        const run = await shown(title, () => runLatency(session, prepared, peer, pace));
        runs.push(run);
        say(
          `  p50 ${run.p50Ms.toFixed(1)} p99 ${run.p99Ms.toFixed(1)} max ${run.maxMs.toFixed(1)} ms, ${run.measured} copies${run.valid ? "" : `: INVALID ${JSON.stringify(run.verdict)}`}`,
        );
      }
    }
    const base = provenance(resultName("latency", options), options.disk);
    return { kind: "latency", ...base, workload: spec, runs };
  });
}

/** One open loop through one router, started for it. @param peer null for none. */
async function runLatency(
  session: BenchSession,
  prepared: PreparedWorkload,
  peer: Peer | null,
  pace: Pace,
): Promise<LatencyRun> {
  const group = session.name(peer?.id ?? DIRECT);
  const input = `${group}.input`;
  const job: PeerJob = { ...jobFor(session, prepared, group, "latency"), input };
  const outputs = peer === null ? [] : topicsOf(job);
  await session.kafka.createTopics({ names: [input], partitions: session.inputPartitions });
  await session.kafka.createTopics({ names: outputs, partitions: PLUGIN_PARTITIONS });
  const router = await peer?.start(job);
  try {
    const usage = new ProcessUsage(router === undefined ? [] : [router.pid]);
    const answer = await openLoop(session, {
      brokers: session.brokers,
      input,
      inputPartitions: session.inputPartitions,
      topics: peer === null ? [input] : outputs,
      bulkTopics: [],
      apart: null,
      workload: prepared.workload.spec,
      direct: peer === null,
      ...pace,
    }).catch((error: Error) => {
      router?.assertRunning();
      throw error;
    });
    usage.stop();
    return runOf(peer?.id ?? DIRECT, pace, answer, usage);
  } finally {
    await router?.end();
    await session.kafka.deleteTopics([input, ...outputs]);
  }
}

/** Runs an open loop in a process of its own. */
export async function openLoop(session: BenchSession, job: OpenLoopJob): Promise<OpenLoopAnswer> {
  const child = await startChild({
    name: "open-loop",
    command: nodeCommand(),
    args: ["--conditions=source", "--max-semi-space-size=64", join(import.meta.dirname, "open-loop-main.ts")],
    env: { BENCH_JOB: JSON.stringify(job) },
    directory: session.directory,
  });
  const status = await child.supervised.exited;
  if (status !== 0) throw new Error(`the open loop failed:\n${child.log().slice(-4_000)}`);
  return openLoopAnswer.parse(JSON.parse(child.log().trim().split("\n").at(-1) ?? ""));
}

function runOf(peer: string, pace: Pace, answer: OpenLoopAnswer, usage: ProcessUsage): LatencyRun {
  const { percentilesMs, verdict, fromMs, toMs } = answer;
  return {
    peer,
    ratePerSecond: pace.ratePerSecond,
    measured: answer.measured,
    p50Ms: percentilesMs.p50,
    p90Ms: percentilesMs.p90,
    p99Ms: percentilesMs.p99,
    p999Ms: percentilesMs.p999,
    maxMs: percentilesMs.max,
    sendDelayMaxMs: answer.sendDelayMaxMs,
    routerCores: (usage.cpuSeconds({ fromMs, toMs }) * 1_000) / (toMs - fromMs),
    verdict,
    valid: isFaultless(verdict),
  };
}
