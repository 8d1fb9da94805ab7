import { printProfile } from "../cpu-profile.ts";
import { type Report, shown } from "../progress.ts";
import type { Result } from "../result.ts";
import { provenance } from "../result-files.ts";
import { orderOf } from "../summary.ts";
import { say, withSession } from "../throughput.ts";
import { type ConsumerKind, OVERHEAD_CONSUMERS, SINK_CONSUMERS } from "./consumers.ts";
import { produceDeliveries } from "./delivery-records.ts";
import { type Backlog, type DrainOptions, drainBacklog } from "./drain-backlog.ts";
import { deliveryWorkload, type SdkOptions, sdkResultName } from "./sdk-options.ts";
import type { ConsumerRun, ConsumerSet } from "./sdk-result.ts";
import { SdkStage } from "./sdk-stage.ts";
import { Sink } from "./sink.ts";

const REPEATS = 3;
const OVERHEAD = { records: 400_000, teams: 1_000 } as const;
/** Few teams: a batch is of one team, and with a thousand of them none would ever have two deliveries at hand. */
const SINK = { records: 30_000, teams: 20 } as const;
const SINK_ANSWER_MS = 5;

/** `sdk overhead`: a plugin that does nothing beside a consumer that does nothing. */
export async function measureOverhead(options: SdkOptions): Promise<Result> {
  const { records = OVERHEAD.records, teams = OVERHEAD.teams } = options;
  const set = await measureSet(options, OVERHEAD_CONSUMERS, { records, teams }, null);
  return { kind: "sdk-overhead", ...provenance(sdkResultName("overhead", options, REPEATS), options.disk), set };
}

/** `sdk sink`: a third party that answers after five milliseconds, called in each of the ways there are. */
export async function measureSink(options: SdkOptions): Promise<Result> {
  const { records = SINK.records, teams = SINK.teams } = options;
  const set = await measureSet(options, SINK_CONSUMERS, { records, teams }, SINK_ANSWER_MS);
  const base = provenance(sdkResultName("sink", options, REPEATS), options.disk);
  return { kind: "sdk-sink", ...base, set, answerMs: SINK_ANSWER_MS };
}

async function measureSet(
  options: SdkOptions,
  all: readonly ConsumerKind[],
  { records, teams }: { readonly records: number; readonly teams: number },
  answerMs: number | null,
): Promise<ConsumerSet> {
  const { only, repeats = REPEATS } = options;
  const kinds = all.filter(({ id }) => only === undefined || only.includes(id));
  const [plugin] = all.filter((kind) => kind.plugin !== null);
  if (plugin === undefined) throw new Error("there is no plugin to measure");
  const runs: ConsumerRun[] = [];
  await withSession(options, async (session) => {
    const stage = await shown("The plugin registered, and enabled for its teams", (report) =>
      SdkStage.open(session, plugin, teams, report),
    );
    const backlogs = new Map<number, Backlog>();
    for (const { share } of kinds) {
      const size = Math.round(records * share);
      if (!backlogs.has(size)) backlogs.set(size, await written(stage, plugin, size, { teams, options }));
    }
    for (let repeat = 0; repeat < repeats; repeat++)
      for (const kind of orderOf(kinds, repeat)) {
        const backlog = backlogs.get(Math.round(records * kind.share)) as Backlog;
        const title = `${kind.title}, ${repeat + 1} of ${repeats}`;
        runs.push(await shownRun(stage, backlog, kind, { options, title, answerMs }));
      }
  });
  return { label: `${records} deliveries of 490 bytes, ${teams} teams`, runs };
}

async function written(
  stage: SdkStage,
  { plugin }: ConsumerKind,
  records: number,
  { teams, options }: { readonly teams: number; readonly options: SdkOptions },
): Promise<Backlog> {
  const to = await stage.createTopics(plugin?.id ?? "");
  const workload = deliveryWorkload(options, records, teams);
  await shown(`A backlog of ${records} deliveries`, (report) =>
    produceDeliveries(workload, records, { brokers: stage.session.brokers, to, report }),
  );
  return { to, records };
}

async function shownRun(
  stage: SdkStage,
  backlog: Backlog,
  kind: ConsumerKind,
  how: { readonly options: SdkOptions; readonly title: string; readonly answerMs: number | null },
): Promise<ConsumerRun> {
  const { options, title, answerMs } = how;
  const { directory } = stage.session;
  const profileDirectory =
    options.profile === true && kind.plugin !== null ? stage.session.temporaryDirectory() : undefined;
  // A sink of its own for each run: none is warmer than another.
  const sink = answerMs === null ? undefined : await Sink.start({ answerMs, serials: backlog.records, directory });
  const drain: DrainOptions = { ...(sink !== undefined && { sink }), profileDirectory };
  try {
    const run = await shown(title, (report: Report) => drainBacklog(stage, backlog, kind, drain, report));
    say(runLine(run));
    if (profileDirectory !== undefined) say(printProfile(profileDirectory));
    return run;
  } finally {
    await sink?.end();
  }
}

function runLine({ perSecond, cores, steadySeconds, rssBytesMax, verdict, valid }: ConsumerRun): string {
  const rate = `${Math.round(perSecond)} deliveries/s at ${cores.toFixed(2)} cores over ${steadySeconds.toFixed(1)} s`;
  return `  ${rate}, ${Math.round(rssBytesMax / 1e6)} MB${valid ? "" : `: INVALID ${JSON.stringify(verdict)}`}`;
}
