import { pluginTopics } from "@plugboard/contract";
import { type BenchSession, PLUGIN_PARTITIONS, type PreparedWorkload } from "./bench-session.ts";
import type { ControlPlane } from "./control-plane.ts";
import { openLoop } from "./latency.ts";
import { type Pace, recordsOf } from "./open-loop.ts";
import { type CommonOptions, repeatsOf, resultName, workloadSpec } from "./options.ts";
import { jobFor, PEERS, type PeerJob } from "./peers.ts";
import { ProcessUsage } from "./process-usage.ts";
import { type Report, shown } from "./progress.ts";
import type { FairnessRun, Result } from "./result.ts";
import { provenance } from "./result-files.ts";
import { orderOf } from "./summary.ts";
import { say, withSession } from "./throughput.ts";
import { isFaultless } from "./verifier.ts";
import { pluginId, teamId, Workload, type WorkloadSpec } from "./workload.ts";

/** Teams that send; few enough that fifty shares of one are half of everything. */
const TEAMS = 50;
const NOISY_TIMES = 50;
/** One with as many plugins as the mean. */
const NOISY_TEAM = 2;
/** The load of a noisy run, of what the router takes. */
const LOAD_SHARE = 0.7;
/** A team's quota, of its share, and how many seconds of it may come at once: the others never reach it. */
const QUOTA_TIMES = 2;
const QUOTA_BURST_SECONDS = 5;
const REPEATS = 5;
const WARM_UP_SECONDS = 10;
/** The search for what the router takes: rates grow by a quarter until copies are late. */
const FIRST_RATE = 4_000;
const RATE_STEP = 1.25;
const RATE_MAX = 400_000;
const LATE_MS = 250;
const STEP_PACE = { warmUpSeconds: 3, seconds: 5 };

interface Load {
  readonly load: FairnessRun["load"];
  readonly ratePerSecond: number;
  readonly times: number;
}

/** `fairness`: the other teams' latency without and with one team that sends fifty times its share. */
export async function measureFairness(options: CommonOptions): Promise<Result> {
  const teams = options.teams ?? TEAMS;
  const spec = workloadSpec(options, { teams, active: teams, records: 1 });
  const repeats = repeatsOf(options, REPEATS);
  return await withSession(options, async (session) => {
    const prepared = await shown("Routes", (report) => session.prepare(new Workload(spec), false, report));
    const plane = await shown("Plugins registered and teams enabled through the manager", prepared.controlPlane);
    // Either way the broker's compilers have seen the load before it is measured.
    const capacity = await shown(options.rate === undefined ? "Capacity" : "Warm-up", (report) =>
      options.rate === undefined ? search(session, prepared, report) : warmUp(session, prepared, options.rate),
    );
    const total = options.rate ?? Math.round((capacity ?? 0) * LOAD_SHARE);
    const loads = loadsOf(total, teams);
    const quota = quotaOf(total, teams);
    await shown("Quotas set through the manager", () => setQuotas(plane, teams, quota));
    const runs: FairnessRun[] = [];
    for (let repeat = 0; repeat < repeats; repeat++)
      for (const load of orderOf(loads, repeat)) {
        const pace = { ratePerSecond: load.ratePerSecond, warmUpSeconds: WARM_UP_SECONDS, seconds: options.seconds };
        const title = `${load.load}, ${load.ratePerSecond}/s, ${repeat + 1} of ${repeats}`;
        const run = await shown(title, () => runLoad(session, prepared, load, pace));
        runs.push(run);
        say(
          `  others: p50 ${run.p50Ms.toFixed(1)} p99 ${run.p99Ms.toFixed(1)} ms; bulk ${run.noisyBulk} of ${run.noisyBulk + run.noisyLive}${run.valid ? "" : `: INVALID ${JSON.stringify(run.verdict)}`}`,
        );
      }
    const base = provenance(resultName("fairness", options, REPEATS), options.disk);
    const workload = { ...spec, noisy: { team: NOISY_TEAM, times: NOISY_TIMES } };
    return { kind: "fairness", ...base, workload, capacityPerSecond: capacity, quota, runs };
  });
}

/** The same load of the other teams, without and with the noisy one. @param total records per second with it. */
export function loadsOf(total: number, teams: number): [Load, Load] {
  const others = Math.round((total * (teams - 1)) / (teams - 1 + NOISY_TIMES));
  return [
    { load: "quiet", ratePerSecond: others, times: 0 },
    { load: "noisy", ratePerSecond: total, times: NOISY_TIMES },
  ];
}

/** Of each team, for each of its plugins. */
function quotaOf(total: number, teams: number): { eventsPerSecond: number; burst: number } {
  const eventsPerSecond = (QUOTA_TIMES * total) / (teams - 1 + NOISY_TIMES);
  return { eventsPerSecond, burst: Math.ceil(eventsPerSecond * QUOTA_BURST_SECONDS) };
}

async function setQuotas(plane: ControlPlane, teams: number, quota: object): Promise<void> {
  for (let team = 0; team < teams; team++) await plane.call("PUT", `/v1/teams/${teamId(team)}/quota`, { quota });
}

/**
 * The highest rate that the router keeps up with while the load and its reader share the machine with it.
 * @throws when it does not keep up with the first.
 */
async function search(session: BenchSession, prepared: PreparedWorkload, report: Report): Promise<number> {
  let found: number | undefined;
  for (let rate = FIRST_RATE; rate <= RATE_MAX; rate = Math.round(rate * RATE_STEP)) {
    report(`${rate}/s`);
    const load: Load = { load: "noisy", ratePerSecond: rate, times: 1 };
    const run = await runLoad(session, prepared, load, { ratePerSecond: rate, ...STEP_PACE });
    if (!run.valid || run.p99Ms > LATE_MS || run.sendDelayMaxMs > LATE_MS) break;
    found = rate;
  }
  if (found === undefined) throw new Error(`the router does not keep up with ${FIRST_RATE} records/s: give --rate`);
  return found;
}

async function warmUp(session: BenchSession, prepared: PreparedWorkload, ratePerSecond: number): Promise<null> {
  await runLoad(session, prepared, { load: "noisy", ratePerSecond, times: 1 }, { ratePerSecond, ...STEP_PACE });
  return null;
}

/** One open loop through one router, started for it, with its live and its bulk lanes read. */
async function runLoad(
  session: BenchSession,
  prepared: PreparedWorkload,
  load: Load,
  pace: Pace,
): Promise<FairnessRun> {
  const group = session.name("fairness");
  const noisy = { team: NOISY_TEAM, times: load.times };
  const spec: WorkloadSpec = { ...prepared.workload.spec, records: recordsOf(pace), noisy };
  const job: PeerJob = { ...jobFor(session, prepared, group, "latency"), input: `${group}.input` };
  const lanes = Array.from({ length: spec.plugins }, (_, plugin) => pluginTopics(pluginId(plugin), job.prefix));
  const [topics, bulkTopics] = [lanes.map(({ live }) => live), lanes.map(({ bulk }) => bulk)];
  await session.kafka.createTopics({ names: [job.input], partitions: session.inputPartitions });
  await session.kafka.createTopics({ names: [...topics, ...bulkTopics], partitions: PLUGIN_PARTITIONS });
  const router = await PEERS.find(({ id }) => id === "plugboard")?.start(job);
  if (router === undefined) throw new Error("Plugboard is no peer");
  try {
    const usage = new ProcessUsage([router.pid]);
    const answer = await openLoop(session, {
      brokers: session.brokers,
      input: job.input,
      inputPartitions: session.inputPartitions,
      topics,
      bulkTopics,
      apart: NOISY_TEAM,
      workload: spec,
      direct: false,
      ...pace,
    }).catch((error: Error) => {
      router.assertRunning();
      throw error;
    });
    usage.stop();
    const { percentilesMs, lanes: counted, verdict, fromMs, toMs } = answer;
    return {
      load: load.load,
      ratePerSecond: load.ratePerSecond,
      measured: answer.measured,
      p50Ms: percentilesMs.p50,
      p99Ms: percentilesMs.p99,
      maxMs: percentilesMs.max,
      sendDelayMaxMs: answer.sendDelayMaxMs,
      noisyLive: counted.apartLive,
      noisyBulk: counted.apartBulk,
      othersBulk: counted.othersBulk,
      routerCores: (usage.cpuSeconds({ fromMs, toMs }) * 1_000) / (toMs - fromMs),
      verdict,
      valid: isFaultless(verdict),
    };
  } finally {
    await router.end();
    await session.kafka.deleteTopics([job.input, ...topics, ...bulkTopics]);
  }
}
