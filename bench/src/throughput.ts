import { BenchSession } from "./bench-session.ts";
import { printProfile } from "./cpu-profile.ts";
import { type CommonOptions, repeatsOf, resultName, workloadSpec } from "./options.ts";
import { PEERS, type Peer } from "./peers.ts";
import { type Report, shown } from "./progress.ts";
import type { Result, ThroughputRun, ThroughputSet } from "./result.ts";
import { provenance } from "./result-files.ts";
import { orderOf } from "./summary.ts";
import { runThroughput } from "./throughput-run.ts";
import { Workload, type WorkloadSpec } from "./workload.ts";

/** `throughput`: all routers on one workload. */
export async function measureThroughput(options: CommonOptions): Promise<Result> {
  const spec = workloadSpec(options);
  const peers = chosenPeers(options);
  return await withSession(options, async (session) => {
    const set = await measureSet(session, { label: labelOf(spec), spec, peers, options, instances: [options.routers] });
    return { kind: "throughput", ...provenance(resultName("throughput", options), options.disk), sets: [set] };
  });
}

/** Runs the work on a broker of its own, and leaves nothing behind. */
export async function withSession<T>(
  { disk }: Pick<CommonOptions, "disk">,
  work: (session: BenchSession) => Promise<T>,
  inputPartitions?: number,
): Promise<T> {
  const session = await shown(`A broker, its data on ${disk}`, (report) =>
    BenchSession.open({ disk, inputPartitions, report }),
  );
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

export interface SetOptions {
  readonly label: string;
  readonly spec: WorkloadSpec;
  readonly peers: readonly Peer[];
  readonly options: CommonOptions;
  /** How many of each router run, one after the other. */
  readonly instances: readonly number[];
}

/** Repeats all routers on one workload, whose records are written once. */
export async function measureSet(session: BenchSession, set: SetOptions): Promise<ThroughputSet> {
  const { label, spec, peers, options } = set;
  const workload = new Workload(spec);
  const prepared = await shown(`Workload: ${label}`, (report) => session.prepare(workload, true, report));
  if (peers.some(({ id }) => id.startsWith("plugboard")))
    await shown("Plugins registered and teams enabled through the manager", prepared.controlPlane);
  await shown("Java peers built", session.java);
  const runs: ThroughputRun[] = [];
  const all = peers.flatMap((peer) => set.instances.map((routers) => ({ peer, routers })));
  for (let repeat = 0; repeat < repeatsOf(options); repeat++) {
    for (const { peer, routers } of orderOf(all, repeat)) {
      const profileDirectory =
        options.profile === true && peer.id.startsWith("plugboard") ? session.temporaryDirectory() : undefined;
      const title = `${peer.title}${routers > 1 ? ` × ${routers}` : ""}, ${repeat + 1} of ${repeatsOf(options)}`;
      const work = (report: Report) => runThroughput(session, prepared, peer, { routers, profileDirectory }, report);
      const run = await shown(title, work);
      runs.push(run);
      say(runLine(run));
      if (profileDirectory !== undefined) say(printProfile(profileDirectory));
    }
  }
  await session.forget(prepared);
  return { label, workload: spec, runs };
}

export function chosenPeers({ only, delivery }: CommonOptions): Peer[] {
  return PEERS.filter(
    (peer) =>
      (only === undefined || only.includes(peer.id)) &&
      (delivery === "both" || peer.delivery === "none" || peer.delivery === delivery),
  );
}

export function labelOf({ size, fanout, teams, active, envelope, key, records }: WorkloadSpec): string {
  const table = active === teams ? `${teams} teams` : `${teams} teams, ${active} of them active`;
  return `${records} records of ${size} bytes (${envelope}), ${table}, mean fan-out ${fanout}, keyed by ${key}`;
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function runLine(run: ThroughputRun): string {
  const { verdict, valid } = run;
  const rate = `${Math.round(run.recordsPerSecond)} records/s at ${run.routerCores.toFixed(2)} cores over ${run.steadySeconds.toFixed(1)} s`;
  const copies = `${verdict.copies} of ${verdict.expected} copies`;
  return `  ${rate}, ${copies}${valid ? "" : `: INVALID ${JSON.stringify(verdict)}`}`;
}
