import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "../control-plane.ts";
import { ProcessUsage } from "../process-usage.ts";
import { type Report, shown } from "../progress.ts";
import type { Result } from "../result.ts";
import { provenance } from "../result-files.ts";
import { orderOf } from "../summary.ts";
import { say, withSession } from "../throughput.ts";
import { teamId, type Workload } from "../workload.ts";
import { SINK_CONSUMERS } from "./consumers.ts";
import { countedOf } from "./handled-events.ts";
import { latenciesOf } from "./latencies.ts";
import { LiveLoad } from "./live-load.ts";
import { deliveryWorkload, type SdkOptions, sdkResultName } from "./sdk-options.ts";
import type { SlowTeamRun, SlowTeamVerdict } from "./sdk-result.ts";
import { type RunningConsumer, SdkStage } from "./sdk-stage.ts";
import { Sink } from "./sink.ts";
import type { Treatment } from "./sink-server.ts";

const TEAMS = 100;
const PER_SECOND = 200;
/** Longer than a handler's deadline, so that calls are given up within it. */
const SECONDS = 40;
const REPEATS = 5;
const ANSWER_MS = 5;
const SLOW_TEAM = 7;
/** What it sends, of what each other team sends: a team that nobody hears of holds nothing up. */
const SLOW_TIMES = 10;
/** Before anything is measured, until compilers and caches have seen the load. */
const WARM_UP_SECONDS = 15;
const CAUGHT_UP_MS = 240_000;
const COMMITTED_MS = 30_000;
/** By then a team that is slow is known to be. */
const LATER_SECONDS = 10;
/** Until what was sent last has come as far as it does. */
const MOMENT_MS = 1_000;
const TABLE_LOOK_MS = 1_000;
/** Memory of the first and the last so many of a run. */
const MEMORY_SPAN_MS = 60_000;
const PHASES: readonly { readonly id: string; readonly treatment: Treatment }[] = [
  { id: "quiet", treatment: "answers" },
  { id: "hangs", treatment: "hangs" },
  { id: "refuses", treatment: "refuses" },
];

interface Rig {
  readonly stage: SdkStage;
  readonly consumer: RunningConsumer;
  readonly sink: Sink;
  readonly load: LiveLoad;
  readonly workload: Workload;
}

/** `sdk slow-team`: the other teams' latency while one team's third party hangs or refuses, beside a quiet run of the same process. */
export async function measureSlowTeam(options: SdkOptions): Promise<Result> {
  const { teams = TEAMS, rate = PER_SECOND, seconds = SECONDS, repeats = REPEATS, only } = options;
  const phases = PHASES.filter(({ id }) => only === undefined || only.includes(id));
  const warmUp = rate * WARM_UP_SECONDS;
  const total = warmUp + repeats * phases.length * rate * seconds;
  const workload = deliveryWorkload(options, total, teams, { team: SLOW_TEAM, times: SLOW_TIMES });
  const kind = SINK_CONSUMERS.find(({ id }) => id === "sdk-concurrent");
  if (kind?.plugin == null) throw new Error("there is no plugin to measure");
  const { plugin } = kind;
  const runs: SlowTeamRun[] = [];
  const verdict = await withSession(options, async (session) => {
    const stage = await shown("The plugin registered, and enabled for its teams", (report) =>
      SdkStage.open(session, kind, teams, report),
    );
    const topic = await stage.createTopics(plugin.id);
    const sink = await Sink.start({ answerMs: ANSWER_MS, serials: total, directory: session.directory });
    const consumer = await stage.start({ kind, topic, serials: total, sinkUrl: sink.url });
    const load = new LiveLoad(session.brokers, topic, workload);
    const rig: Rig = { stage, consumer, sink, load, workload };
    try {
      await stage.ready(consumer.child);
      await shown("Warm-up", async (report) => {
        await load.send(warmUp, rate);
        await caughtUp(rig, report);
      });
      for (let repeat = 0; repeat < repeats; repeat++)
        for (const { id, treatment } of orderOf(phases, repeat)) {
          const run = await shown(`${id}, ${repeat + 1} of ${repeats}`, (report) =>
            runPhase(rig, { id, treatment, rate, seconds }, report),
          );
          runs.push(run);
          say(runLine(run));
        }
      return await shown("Looking for every delivery", () => verdictOf(rig, topic));
    } finally {
      await load.close();
      await consumer.forget();
      await sink.end();
    }
  });
  const base = provenance(sdkResultName("slow-team", options, REPEATS), options.disk);
  return { kind: "sdk-slow-team", ...base, teams, slowTimes: SLOW_TIMES, ratePerSecond: rate, seconds, runs, verdict };
}

async function runPhase(
  rig: Rig,
  phase: { readonly id: string; readonly treatment: Treatment; readonly rate: number; readonly seconds: number },
  report: Report,
): Promise<SlowTeamRun> {
  const { sink, load, consumer, workload } = rig;
  const { id, treatment, rate, seconds } = phase;
  const usage = new ProcessUsage([consumer.child.pid]);
  const table = watchTable(consumer);
  await sink.treat(teamId(SLOW_TEAM), treatment);
  const fromMs = Date.now();
  report(`${rate * seconds} deliveries`);
  const span = await load.send(rate * seconds, rate);
  const toMs = Date.now();
  // What is on its way belongs to it.
  await sleep(MOMENT_MS);
  usage.stop();
  const slowDuring = countSlow(rig, span, await sink.arrivals());
  await sink.treat(teamId(SLOW_TEAM), "answers");
  const healedAtMs = performance.now();
  const allThere = await caughtUp(rig, report);
  const caughtUpMs = performance.now() - healedAtMs;
  const retriesMax = await table.stop();
  const memoryMs = Math.min(MEMORY_SPAN_MS, (toMs - fromMs) / 3);
  const arrivals = await sink.arrivals();
  const later = { ...span, from: span.from + rate * LATER_SECONDS };
  const isOther = (serial: number) => workload.teamOf(serial) !== SLOW_TEAM;
  return {
    phase: id,
    ...latenciesOf(span, arrivals, isOther),
    laterP99Ms: seconds > LATER_SECONDS ? latenciesOf(later, arrivals, isOther).p99Ms : null,
    sendDelayMsMax: span.sendDelayMsMax,
    slowTaken: slowDuring.taken,
    slowSent: slowDuring.sent,
    retriesMax,
    caughtUpMs: allThere ? caughtUpMs : null,
    cores: (usage.cpuSeconds({ fromMs, toMs }) * 1_000) / (toMs - fromMs),
    rssBytesFirst: usage.rssBytesMean({ fromMs, toMs: fromMs + memoryMs }),
    rssBytesLast: usage.rssBytesMean({ fromMs: toMs - memoryMs, toMs }),
    rssBytesMax: usage.rssBytesMax,
  };
}

/** What of the slow team's was taken while it was slow. */
function countSlow(
  { workload }: Rig,
  { from, to }: { readonly from: number; readonly to: number },
  arrivals: Float64Array,
) {
  let [sent, taken] = [0, 0];
  for (let serial = from; serial < to; serial++) {
    if (workload.teamOf(serial) !== SLOW_TEAM) continue;
    sent += 1;
    if (!Number.isNaN(arrivals[serial] ?? Number.NaN)) taken += 1;
  }
  return { sent, taken };
}

/** Waits until the sink has taken all that was sent. @returns whether it has, in time. */
async function caughtUp({ sink, load, consumer }: Rig, report: Report): Promise<boolean> {
  const deadline = performance.now() + CAUGHT_UP_MS;
  for (;;) {
    consumer.child.assertRunning();
    const { missing } = countedOf((await sink.counts()).subarray(0, load.sent));
    report(`${missing} not taken yet`);
    if (missing === 0 || performance.now() > deadline) return missing === 0;
    await sleep(100);
  }
}

/** Watches how many deliveries wait in the due-time table. @returns what ends it and tells the most. */
function watchTable(consumer: RunningConsumer): { readonly stop: () => Promise<number> } {
  let [most, over] = [0, false];
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, await countOf(consumer, "SELECT count(*) FROM plugin_sink.retries"));
      await sleep(TABLE_LOOK_MS);
    }
  })();
  return {
    stop: async () => {
      over = true;
      await watching;
      return most;
    },
  };
}

async function countOf({ databaseUrl }: RunningConsumer, query: string): Promise<number> {
  const [row] = await sql<{ count: string }>(databaseUrl ?? "", query);
  return Number(row?.count ?? 0);
}

async function verdictOf(
  { stage, consumer, sink, load, workload }: Rig,
  { topic, partitions }: { readonly topic: string; readonly partitions: number },
): Promise<SlowTeamVerdict> {
  const { kafka } = stage.session;
  const deadline = performance.now() + COMMITTED_MS;
  let committed = 0;
  while (committed < load.sent && performance.now() < deadline) {
    committed = await kafka.committed(consumer.group, topic, partitions);
    await sleep(100);
  }
  const counts = (await sink.counts()).subarray(0, load.sent);
  const ofTeam = (slow: boolean) => counts.filter((_, serial) => (workload.teamOf(serial) === SLOW_TEAM) === slow);
  const [slow, others] = [countedOf(ofTeam(true)), countedOf(ofTeam(false))];
  const deadLetters = (await kafka.ends([`${topic}.dlq`], partitions)).get(`${topic}.dlq`) ?? 0;
  return {
    sent: load.sent,
    missing: slow.missing + others.missing,
    duplicateSlow: slow.duplicate,
    duplicateOthers: others.duplicate,
    uncommitted: load.sent - committed,
    waiting: await countOf(consumer, "SELECT count(*) FROM plugin_sink.retries"),
    identitiesOff:
      (await countOf(consumer, "SELECT count(*) FROM plugin_sink.deliveries WHERE outcome = 'delivered'")) - load.sent,
    deadLetters,
  };
}

function runLine({ p50Ms, p99Ms, maxMs, laterP99Ms, retriesMax, caughtUpMs, rssBytesLast }: SlowTeamRun): string {
  const after =
    caughtUpMs === null ? "NOT all taken afterwards" : `all taken ${(caughtUpMs / 1_000).toFixed(1)} s after`;
  const others = `others: p50 ${p50Ms.toFixed(1)} p99 ${p99Ms.toFixed(1)} max ${maxMs.toFixed(1)} ms, p99 after 10 s ${laterP99Ms?.toFixed(1)}`;
  return `  ${others}; ${retriesMax} waited at most; ${after}; ${Math.round(rssBytesLast / 1e6)} MB`;
}
