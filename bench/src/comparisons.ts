import { setTimeout as sleep } from "node:timers/promises";
import { type BenchSession, PLUGIN_PARTITIONS } from "./bench-session.ts";
import { type CommonOptions, repeatsOf, resultName, workloadSpec } from "./options.ts";
import { jobFor, PEERS, topicsOf } from "./peers.ts";
import { shown } from "./progress.ts";
import type { Result, ThroughputSet } from "./result.ts";
import { provenance } from "./result-files.ts";
import { chosenPeers, labelOf, measureSet, say, withSession } from "./throughput.ts";
import { TopicFetcher } from "./topic-fetcher.ts";
import { Workload, type WorkloadSpec } from "./workload.ts";

const FANOUTS = [0, 1, 2, 10, 50, 100];
const SIZES = [200, 2_048, 27_648, 921_600];
/** Bytes of values that a run writes at most: they are kept in memory, with the input and the run before. */
const BYTES_OUT_MAX = 4_000_000_000;
/** Copies of a run at most: beyond, it takes longer and says the same. */
const COPIES_MAX = 2_000_000;
const RECORDS_MAX = 1_000_000;
const ROUTERS = [1, 2, 3, 4];
/** Each number of routers gets as many partitions as every other of its size. */
const PARTITIONS_TO_SHARE = 12;
const MANY_TEAMS = 1_000_000;
const ACTIVE_OF_MANY = 20_000;
const FEW_TEAMS = 1_000;
const COLD_START_MS = 120_000;

/** `cost`: Plugboard over fan-outs and sizes; its cost must grow no faster than its copies. */
export async function measureCost(options: CommonOptions): Promise<Result> {
  const peers = options.only === undefined ? PEERS.filter(({ id }) => id === "plugboard") : chosenPeers(options);
  const specs = FANOUTS.flatMap((fanout) => SIZES.map((size) => workloadSpec(options, { fanout, size })));
  return await withSession(options, async (session) => {
    const sets: ThroughputSet[] = [];
    for (const spec of specs) {
      const sized = { ...spec, records: Math.min(spec.records, affordableRecords(spec)) };
      sets.push(await measureSet(session, { label: labelOf(sized), spec: sized, peers, options, instances: [1] }));
    }
    return { kind: "throughput", ...provenance(resultName("cost", options), options.disk), sets };
  });
}

/** Records of a run that is long enough to measure, and small enough to be kept in memory: a few dozen of the largest. */
export function affordableRecords({ fanout, size }: Pick<WorkloadSpec, "fanout" | "size">): number {
  const copies = Math.min(COPIES_MAX, BYTES_OUT_MAX / size);
  const wanted = Math.floor(copies / Math.max(1, fanout));
  return Math.min(RECORDS_MAX, wanted);
}

/** `scale`: one to four instances of each router on the same cores. */
export async function measureScale(options: CommonOptions): Promise<Result> {
  const spec = workloadSpec(options);
  const peers =
    options.only === undefined
      ? PEERS.filter(({ id }) => ["streams", "plugboard", "plugboard-eos"].includes(id))
      : chosenPeers(options);
  const measure = async (session: BenchSession): Promise<Result> => {
    const label = `${labelOf(spec)}, in ${session.inputPartitions} partitions`;
    const set = await measureSet(session, { label, spec, peers, options, instances: ROUTERS });
    return { kind: "throughput", ...provenance(resultName("scale", options), options.disk), sets: [set] };
  };
  return await withSession(options, measure, PARTITIONS_TO_SHARE);
}

/**
 * `table`: a million teams, 20,000 of them active, beside a thousand; and how soon a router that starts among a million
 * routes its first event.
 */
export async function measureTable(options: CommonOptions): Promise<Result> {
  const teams = options.teams ?? MANY_TEAMS;
  const active = Math.min(options.active ?? ACTIVE_OF_MANY, teams);
  const peers = options.only === undefined ? PEERS.filter(({ id }) => id === "plugboard") : chosenPeers(options);
  return await withSession(options, async (session) => {
    const sets: ThroughputSet[] = [];
    const few = workloadSpec(options, { teams: FEW_TEAMS, active: FEW_TEAMS });
    const many = workloadSpec(options, { teams, active });
    for (const spec of [few, many])
      sets.push(await measureSet(session, { label: labelOf(spec), spec, peers, options, instances: [1] }));
    const coldStartsMs: number[] = [];
    for (let repeat = 0; repeat < repeatsOf(options); repeat++) {
      const title = `Cold start among ${teams} teams, ${repeat + 1} of ${repeatsOf(options)}`;
      const ms = await shown(title, () => coldStart(session, { ...many, records: 1_000 }));
      coldStartsMs.push(ms);
      say(`  first copy after ${ms.toFixed(0)} ms`);
    }
    const base = provenance(resultName("table", options), options.disk);
    return { kind: "table", ...base, sets, coldStartsMs, enablementsPerSecond: session.enablementsPerSecond };
  });
}

/** Starts a router on a waiting backlog. @returns from its spawn to the append of its first copy, milliseconds. */
async function coldStart(session: BenchSession, spec: WorkloadSpec): Promise<number> {
  const prepared = await session.prepare(new Workload(spec), true, () => {});
  await prepared.controlPlane();
  const group = session.name("cold-start");
  const job = jobFor(session, prepared, group, "latency");
  const topics = topicsOf(job);
  await session.kafka.createTopics({ names: topics, partitions: PLUGIN_PARTITIONS });
  const peer = PEERS.find(({ id }) => id === "plugboard");
  if (peer === undefined) throw new Error("Plugboard is no peer");
  const fetcher = await TopicFetcher.open(session.brokers, topics);
  const startedAtMs = Date.now();
  const router = await peer.start(job);
  try {
    let firstAtMs = Number.POSITIVE_INFINITY;
    while (firstAtMs === Number.POSITIVE_INFINITY) {
      router.assertRunning();
      if (Date.now() - startedAtMs > COLD_START_MS) throw new Error(`no copy within ${COLD_START_MS} ms`);
      await fetcher.poll(({ appendedAtMs }) => {
        firstAtMs = Math.min(firstAtMs, appendedAtMs);
      });
      await sleep(10);
    }
    return firstAtMs - startedAtMs;
  } finally {
    await fetcher.close();
    await router.end();
    await session.forget(prepared);
    await session.kafka.deleteTopics(topics);
  }
}
