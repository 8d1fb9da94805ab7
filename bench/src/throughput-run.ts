import { setTimeout as sleep } from "node:timers/promises";
import { waitUntil } from "@plugboard/stack";
import { AppendTimes, type Span } from "./append-times.ts";
import { type BenchSession, PLUGIN_PARTITIONS, type PreparedWorkload } from "./bench-session.ts";
import type { Child } from "./child.ts";
import { jobFor, type Peer, type PeerJob, topicsOf } from "./peers.ts";
import { ProcessUsage } from "./process-usage.ts";
import type { Report } from "./progress.ts";
import type { ThroughputRun } from "./result.ts";
import { TopicFetcher } from "./topic-fetcher.ts";
import { isFaultless, Verifier } from "./verifier.ts";

/** How often the group's commits are looked at. */
const LOOK_MS = 100;
/** Slower than this is a router that hangs. */
const RECORDS_PER_SECOND_MIN = 1_000;
const START_MS = 60_000;
/** A group that has shared its partitions out anew is at full work after this. */
const SHARED_MS = 2_000;
/** What must have been written by then is there to be read. */
const SETTLE_MS = 500;

export interface ThroughputOptions {
  readonly routers: number;
  readonly profileDirectory?: string | undefined;
}

/** The progress of a group through the backlog: what a router without copies is measured by. */
interface Progress {
  readonly atMs: number;
  readonly committed: number;
}

/**
 * One router drains one backlog. Its rate is taken from the broker's append times of its copies, between 20 % and 95 % of
 * them (of several instances: once all of them are at work); then every output topic is read and checked, record by record.
 */
export async function runThroughput(
  session: BenchSession,
  prepared: PreparedWorkload,
  peer: Peer,
  options: ThroughputOptions,
  report: Report,
): Promise<ThroughputRun> {
  const { workload } = prepared;
  const group = session.name(peer.id);
  const job: PeerJob = {
    ...jobFor(session, prepared, group, "throughput"),
    profileDirectory: options.profileDirectory,
  };
  const topics = topicsOf(job);
  // What is done once is not part of a run.
  if (peer.id.startsWith("plugboard")) await job.controlPlane();
  await session.kafka.createTopics({ names: topics, partitions: PLUGIN_PARTITIONS });
  const children: Child[] = [];
  try {
    const instances = Array.from({ length: options.routers }, (_, instance) => instance);
    await Promise.all(
      instances.map(async (instance) => {
        children.push(await peer.start({ ...job, instance }));
      }),
    );
    const routers = new ProcessUsage(children.map(({ pid }) => pid));
    const broker = new ProcessUsage([session.brokerPid]);
    const members = options.routers * (peer.membersEach ?? 1);
    const sharedAtMs = options.routers === 1 ? undefined : await untilShared(session, group, members, report);
    const progress = await untilDrained(session, job, children, report);
    await sleep(SETTLE_MS);
    routers.stop();
    broker.stop();
    await Promise.all(children.map((child) => child.end()));
    report("verifying");
    const { times, verifier } = await readCopies(session, job, peer);
    const verdict = verifier.verdict();
    return summary({ peer, options, workload, progress, times, verdict, routers, broker, sharedAtMs });
  } finally {
    await Promise.all(children.map((child) => child.end("SIGKILL")));
    await session.kafka.deleteTopics(topics);
  }
}

/** @returns when the group had all its members, and they had taken up their work: milliseconds since the epoch. */
async function untilShared(session: BenchSession, group: string, members: number, report: Report): Promise<number> {
  report(`waiting for ${members} members`);
  await waitUntil(`${group} has ${members} members`, START_MS, async () =>
    (await session.kafka.membersOf(group)) >= members ? true : undefined,
  );
  await sleep(SHARED_MS);
  return Date.now();
}

async function untilDrained(
  session: BenchSession,
  { workload, group, input }: PeerJob,
  children: readonly Child[],
  report: Report,
): Promise<Progress[]> {
  const { records } = workload.spec;
  const deadline = performance.now() + START_MS + (records / RECORDS_PER_SECOND_MIN) * 1_000;
  const progress: Progress[] = [];
  for (;;) {
    for (const child of children) child.assertRunning();
    const committed = await session.kafka.committed(group, input, session.inputPartitions);
    progress.push({ atMs: Date.now(), committed });
    report(`${committed} of ${records} records routed`);
    if (committed >= records) return progress;
    if (performance.now() > deadline)
      throw new Error(`only ${committed} of ${records} records were routed; ${children[0]?.log().slice(-4_000)}`);
    await sleep(LOOK_MS);
  }
}

async function readCopies(
  session: BenchSession,
  job: PeerJob,
  peer: Peer,
): Promise<{ readonly times: AppendTimes; readonly verifier: Verifier }> {
  const { workload } = job;
  const fixed = peer.pluginsOf?.(workload);
  const verifier = new Verifier(workload, workload.spec.records, fixed === undefined ? undefined : () => fixed);
  const times = new AppendTimes();
  const fetcher = await TopicFetcher.open(session.brokers, topicsOf(job));
  try {
    await fetcher.drain((copy) => {
      verifier.take(copy);
      times.add(copy.appendedAtMs);
    });
  } finally {
    await fetcher.close();
  }
  return { times, verifier };
}

function summary(run: {
  readonly peer: Peer;
  readonly options: ThroughputOptions;
  readonly workload: PeerJob["workload"];
  readonly progress: readonly Progress[];
  readonly times: AppendTimes;
  readonly verdict: ReturnType<Verifier["verdict"]>;
  readonly routers: ProcessUsage;
  readonly broker: ProcessUsage;
  readonly sharedAtMs: number | undefined;
}): ThroughputRun {
  const { peer, workload, times, verdict } = run;
  const { records } = workload.spec;
  const perRecord = verdict.expected / records;
  const steady = times.steady(run.sharedAtMs);
  const byCommits = perRecord === 0 || steady === undefined;
  const { span, recordsPerSecond } = byCommits
    ? rateOfCommits(run.progress)
    : { span: steady.span, recordsPerSecond: steady.copiesPerSecond / perRecord };
  const recordsInSpan = (recordsPerSecond * (span.toMs - span.fromMs)) / 1_000;
  const whole = times.whole();
  const cpuSeconds = run.routers.cpuSeconds(span);
  return {
    peer: peer.id,
    routers: run.options.routers,
    recordsPerSecond,
    wholeRecordsPerSecond:
      whole === undefined || whole.toMs === whole.fromMs ? null : (records * 1_000) / (whole.toMs - whole.fromMs),
    measuredBy: byCommits ? "commits" : "appends",
    steadySeconds: (span.toMs - span.fromMs) / 1_000,
    routerCores: (cpuSeconds * 1_000) / (span.toMs - span.fromMs),
    brokerCores: (run.broker.cpuSeconds(span) * 1_000) / (span.toMs - span.fromMs),
    recordsPerCoreSecond: cpuSeconds === 0 ? null : recordsInSpan / cpuSeconds,
    rssBytesMax: run.routers.rssBytesMax,
    verdict,
    valid: isFaultless(verdict),
  };
}

/** Without copies, nothing but the group's commits says how far it is. */
function rateOfCommits(progress: readonly Progress[]): { readonly span: Span; readonly recordsPerSecond: number } {
  const first = progress.findLast(({ committed }) => committed === 0) ?? progress[0];
  const last = progress.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs)
    throw new Error("the run was over before it could be measured: take more records");
  const seconds = (last.atMs - first.atMs) / 1_000;
  return {
    span: { fromMs: first.atMs, toMs: last.atMs },
    recordsPerSecond: (last.committed - first.committed) / seconds,
  };
}
