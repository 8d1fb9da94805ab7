import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "../control-plane.ts";
import { ProcessUsage } from "../process-usage.ts";
import type { Report } from "../progress.ts";
import type { ConsumerKind } from "./consumers.ts";
import type { DeliveryTopic } from "./delivery-records.ts";
import { countedOf, readCounts, readProgress, steadyRate } from "./handled-events.ts";
import type { ConsumerRun, ConsumerVerdict } from "./sdk-result.ts";
import type { RunningConsumer, SdkStage } from "./sdk-stage.ts";
import type { Sink } from "./sink.ts";

const LOOK_MS = 100;
const START_MS = 60_000;
/** Slower than this is a consumer that hangs. */
const PER_SECOND_MIN = 50;
/** Between the last event and the commit behind it. */
const COMMIT_MS = 30_000;

/** Deliveries that wait in a topic. */
export interface Backlog {
  readonly to: DeliveryTopic;
  readonly records: number;
}

export interface DrainOptions {
  readonly sink?: Sink;
  readonly profileDirectory?: string | undefined;
}

/**
 * One consumer handles one backlog. Its rate is its own count between 20 % and 95 % of the events; then every event is looked for: by
 * its own counts, the sink's, the group's offsets, the published outcomes, and the identities it has recorded.
 */
export async function drainBacklog(
  stage: SdkStage,
  { to, records }: Backlog,
  kind: ConsumerKind,
  { sink, profileDirectory }: DrainOptions,
  report: Report,
): Promise<ConsumerRun> {
  await sink?.reset();
  const consumer = await stage.start({ kind, topic: to, serials: records, sinkUrl: sink?.url, profileDirectory });
  try {
    const usage = new ProcessUsage([consumer.child.pid]);
    const broker = new ProcessUsage([stage.session.brokerPid]);
    await untilHandled(consumer, records, report);
    const committed = await untilCommitted(stage, consumer, to, records);
    usage.stop();
    broker.stop();
    await consumer.child.end();
    const progress = readProgress(consumer.tally);
    const verdict = await verdictOf(stage, consumer, {
      kind,
      sink,
      records,
      committed,
      handled: progress.at(-1)?.handled ?? 0,
    });
    const steady = steadyRate(progress, records);
    if (steady === undefined) throw new Error("the run was over before it could be measured: take more records");
    const { span, perSecond } = steady;
    const seconds = (span.toMs - span.fromMs) / 1_000;
    return {
      consumer: kind.id,
      records,
      perSecond,
      steadySeconds: seconds,
      cores: usage.cpuSeconds(span) / seconds,
      brokerCores: broker.cpuSeconds(span) / seconds,
      rssBytesMax: usage.rssBytesMax,
      verdict,
      valid: isRight(verdict),
    };
  } finally {
    await consumer.forget();
  }
}

async function untilHandled({ child, tally }: RunningConsumer, records: number, report: Report): Promise<void> {
  const deadline = performance.now() + START_MS + (records / PER_SECOND_MIN) * 1_000;
  for (;;) {
    child.assertRunning();
    const handled = readProgress(tally).at(-1)?.handled ?? 0;
    report(`${handled} of ${records} handled`);
    if (handled >= records) return;
    if (performance.now() > deadline)
      throw new Error(`only ${handled} of ${records} were handled; ${child.log().slice(-4_000)}`);
    await sleep(LOOK_MS);
  }
}

/** @returns the records whose offsets the group has committed, which may be too few. */
async function untilCommitted(
  { session }: SdkStage,
  { group }: RunningConsumer,
  { topic, partitions }: DeliveryTopic,
  records: number,
): Promise<number> {
  const deadline = performance.now() + COMMIT_MS;
  for (;;) {
    const committed = await session.kafka.committed(group, topic, partitions);
    if (committed >= records || performance.now() > deadline) return committed;
    await sleep(LOOK_MS);
  }
}

async function verdictOf(
  { session }: SdkStage,
  consumer: RunningConsumer,
  run: {
    readonly kind: ConsumerKind;
    readonly sink: Sink | undefined;
    readonly records: number;
    readonly committed: number;
    readonly handled: number;
  },
): Promise<ConsumerVerdict> {
  const { kind, sink, records, committed, handled } = run;
  const { plugin } = kind;
  const own = countedOf(readCounts(consumer.tally), handled);
  const atSink = sink === undefined ? null : countedOf(await sink.counts(), await sink.taken());
  const published = (await session.kafka.ends([consumer.outcomes], 1)).get(consumer.outcomes) ?? 0;
  const recorded =
    plugin === null || consumer.databaseUrl === null || plugin.identity === "none"
      ? null
      : await identitiesOf(consumer.databaseUrl, plugin.id);
  return {
    ...own,
    sink: atSink,
    uncommitted: records - committed,
    outcomesOff: published - (plugin?.outcomes === "all" ? records : 0),
    identitiesOff: recorded === null ? null : recorded - records,
  };
}

async function identitiesOf(databaseUrl: string, plugin: string): Promise<number> {
  const [row] = await sql<{ count: string }>(
    databaseUrl,
    `SELECT count(*) FROM plugin_${plugin}.deliveries WHERE state = 'settled' AND outcome = 'delivered'`,
  );
  return Number(row?.count ?? 0);
}

/** Whether each event was handled exactly once, and everything says so. */
export function isRight({ missing, duplicate, foreign, sink, uncommitted, ...off }: ConsumerVerdict): boolean {
  const counts = [missing, duplicate, foreign, sink?.missing, sink?.duplicate, sink?.foreign, uncommitted];
  return [...counts, off.outcomesOff, off.identitiesOff].every((count) => (count ?? 0) === 0);
}
