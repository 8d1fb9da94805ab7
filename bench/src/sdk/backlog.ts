import { setTimeout as sleep } from "node:timers/promises";
import { type Lane, laneGroup } from "@plugboard/contract";
import { ProcessUsage } from "../process-usage.ts";
import { type Report, shown } from "../progress.ts";
import type { Result } from "../result.ts";
import { provenance } from "../result-files.ts";
import { say, withSession } from "../throughput.ts";
import { Workload } from "../workload.ts";
import { type ConsumerKind, OVERHEAD_CONSUMERS } from "./consumers.ts";
import { type DeliveryTopic, produceDeliveries } from "./delivery-records.ts";
import { countedOf, readArrivals, readCounts, readProgress, steadyRate } from "./handled-events.ts";
import { latenciesOf } from "./latencies.ts";
import { LiveLoad } from "./live-load.ts";
import { deliveryWorkload, type SdkOptions, sdkResultName } from "./sdk-options.ts";
import type { BacklogRun } from "./sdk-result.ts";
import { type RunningConsumer, SdkStage } from "./sdk-stage.ts";

const RECORDS = 1_000_000;
const TEAMS = 100;
const PER_SECOND = 50;
/** The team that has the backlog; the others are all but this one. */
const BEHIND_TEAM = 0;
/** Slower than this is a plugin that hangs; what the others may send by then. */
const BACKLOG_PER_SECOND_MIN = 250;
const START_SECONDS = 60;
/** Where the backlog may be: in bulk, where a router puts what is over a team's quota, or before everything else. */
const BACKLOG_LANES = ["bulk", "live"] as const;
const COMMITTED_MS = 60_000;
const LOOK_MS = 200;
const MEMORY_SPAN_MS = 60_000;

/** `sdk backlog`: a plugin that starts on a million deliveries of one team, while others' come in. */
export async function measureBacklog(options: SdkOptions): Promise<Result> {
  const { records = RECORDS, teams = TEAMS, rate = PER_SECOND, only } = options;
  const lanes = BACKLOG_LANES.filter((lane) => only === undefined || only.includes(lane));
  const kind = OVERHEAD_CONSUMERS.find(({ id }) => id === "sdk-identity");
  if (kind === undefined) throw new Error("there is no plugin to measure");
  const runs: BacklogRun[] = [];
  await withSession(options, async (session) => {
    const stage = await shown("The plugin registered, and enabled for its teams", (report) =>
      SdkStage.open(session, kind, teams, report),
    );
    for (const lane of lanes) {
      const run = await runBacklog(stage, kind, { lane, records, teams, rate, options });
      runs.push(run);
      say(runLine(run));
    }
  });
  const base = provenance(sdkResultName("backlog", options, 1), options.disk);
  return { kind: "sdk-backlog", ...base, records, teams, ratePerSecond: rate, runs };
}

interface BacklogPlan {
  readonly lane: Lane;
  readonly records: number;
  readonly teams: number;
  readonly rate: number;
  readonly options: SdkOptions;
}

async function runBacklog(stage: SdkStage, kind: ConsumerKind, plan: BacklogPlan): Promise<BacklogRun> {
  const { lane, records, teams, rate, options } = plan;
  const { brokers } = stage.session;
  const secondsMax = START_SECONDS + records / BACKLOG_PER_SECOND_MIN;
  const serials = records + Math.ceil(secondsMax * rate);
  const { spec } = deliveryWorkload(options, serials, teams);
  const to = await stage.createTopics(kind.plugin?.id ?? "");
  const behind = { ...to, topic: lane === "live" ? to.topic : `${to.topic}.${lane}` };
  await shown(`${records} deliveries of one team in the ${lane} lane`, (report) =>
    produceDeliveries(new Workload({ ...spec, active: 1 }), records, { brokers, to: behind, report }),
  );
  const others = new Workload({ ...spec, noisy: { team: BEHIND_TEAM, times: 0 } });
  const load = new LiveLoad(brokers, to, others, records);
  const profileDirectory = options.profile === true ? stage.session.temporaryDirectory() : undefined;
  const consumer = await stage.start({ kind, topic: to, serials, profileDirectory });
  try {
    return await shown(`Caught up with the ${lane} lane, ${rate}/s of others`, (report) =>
      watched({ stage, consumer, load, plan, to, behind }, serials - records, report),
    );
  } finally {
    await load.close();
    await consumer.forget();
    await stage.deleteTopics(to);
  }
}

async function watched(
  rig: {
    readonly stage: SdkStage;
    readonly consumer: RunningConsumer;
    readonly load: LiveLoad;
    readonly plan: BacklogPlan;
    readonly to: DeliveryTopic;
    readonly behind: DeliveryTopic;
  },
  othersMax: number,
  report: Report,
): Promise<BacklogRun> {
  const { stage, consumer, load, plan, to, behind } = rig;
  const { lane, records, rate } = plan;
  const usage = new ProcessUsage([consumer.child.pid]);
  await stage.ready(consumer.child);
  const fromMs = Date.now();
  const handled = () => readProgress(consumer.tally).at(-1)?.handled ?? 0;
  let over = false;
  const sending = load.send(othersMax, rate, () => over);
  while (handled() < records) {
    consumer.child.assertRunning();
    report(`${handled()} handled, ${load.sent - records} of others sent`);
    await Promise.race([sleep(LOOK_MS), sending]);
    if (load.sent >= records + othersMax)
      throw new Error(`only ${handled()} were handled; ${consumer.child.log().slice(-4_000)}`);
  }
  over = true;
  const span = await sending;
  const deadline = performance.now() + COMMITTED_MS;
  let uncommitted = load.sent;
  while (uncommitted > 0 && performance.now() < deadline) {
    const inLive = await stage.session.kafka.committed(consumer.group, to.topic, to.partitions);
    const inBulk =
      lane === "live"
        ? 0
        : await stage.session.kafka.committed(laneGroup(consumer.group, lane), behind.topic, behind.partitions);
    uncommitted = load.sent - inLive - inBulk;
    await sleep(LOOK_MS);
  }
  const toMs = Date.now();
  usage.stop();
  await consumer.child.end();
  const progress = readProgress(consumer.tally);
  const counted = countedOf(readCounts(consumer.tally).subarray(0, load.sent), handled());
  const steady = steadyRate(progress, load.sent);
  if (steady === undefined) throw new Error("it was over before it could be measured: take more records");
  const memoryMs = Math.min(MEMORY_SPAN_MS, (toMs - fromMs) / 3);
  return {
    lane,
    records,
    others: span.to - span.from,
    perSecond: steady.perSecond,
    seconds: (toMs - fromMs) / 1_000,
    ...latenciesOf(span, readArrivals(consumer.tally), () => true),
    sendDelayMsMax: span.sendDelayMsMax,
    cores: (usage.cpuSeconds(steady.span) * 1_000) / (steady.span.toMs - steady.span.fromMs),
    rssBytesFirst: usage.rssBytesMean({ fromMs, toMs: fromMs + memoryMs }),
    rssBytesLast: usage.rssBytesMean({ fromMs: toMs - memoryMs, toMs }),
    rssBytesMax: usage.rssBytesMax,
    verdict: { ...counted, uncommitted },
  };
}

function runLine({ lane, perSecond, p50Ms, p99Ms, maxMs, rssBytesMax, verdict }: BacklogRun): string {
  const others = `others: p50 ${p50Ms.toFixed(0)} p99 ${p99Ms.toFixed(0)} max ${maxMs.toFixed(0)} ms`;
  return `  ${lane}: ${Math.round(perSecond)} deliveries/s; ${others}; ${Math.round(rssBytesMax / 1e6)} MB; ${JSON.stringify(verdict)}`;
}
