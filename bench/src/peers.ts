import { join } from "node:path";
import { freePorts, type JavaProgram, projectRoot, shippedFlags } from "@plugboard/stack";
import type { BenchSession, PreparedWorkload } from "./bench-session.ts";
import { type Child, nodeCommand, startChild, untilReady } from "./child.ts";
import type { ControlPlane } from "./control-plane.ts";
import { pluginId, type Workload } from "./workload.ts";

/** What a router is started for. */
export interface PeerJob {
  readonly workload: Workload;
  readonly brokers: string;
  readonly input: string;
  readonly group: string;
  /** A copy's topic is this and the plugin's id. */
  readonly prefix: string;
  readonly tunedFor: "throughput" | "latency";
  /** Which of several instances this is, from 0. */
  readonly instance: number;
  readonly directory: string;
  /** The routes as a file and as a compacted topic, for those that know no manager. */
  readonly routesFile: string;
  readonly tableTopic: string;
  readonly java: () => Promise<JavaProgram>;
  readonly controlPlane: () => Promise<ControlPlane>;
  /** Where a CPU profile goes, when one is wanted. Plugboard's router only. */
  readonly profileDirectory?: string | undefined;
}

export interface Peer {
  readonly id: string;
  readonly title: string;
  readonly delivery: "at-least-once" | "exactly-once" | "none";
  /** What it has to write when that is not what the routes say. */
  readonly pluginsOf?: (workload: Workload) => readonly number[];
  /** Members of its group that one instance is; 1 unless said. */
  readonly membersEach?: number;
  start(job: PeerJob): Promise<Child>;
}

/**
 * Full JIT, and the parallel collector, the JVM's own choice for throughput (no other was tried here). 512 MiB of heap; the young
 * generation is large, for nearly all garbage dies young.
 */
const JVM_FLAGS = ["-Xms512m", "-Xmx512m", "-Xmn320m", "-XX:+UseParallelGC", "-XX:-UsePerfData"];
const JVM_LOG = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
/** Where a router can have several threads: one per core. */
const THREADS = 2;

export const PEERS: readonly Peer[] = [
  {
    id: "mirror",
    title: "no router: Java mirror",
    delivery: "none",
    pluginsOf: ({ spec }) => Array.from({ length: Math.round(spec.fanout) }, (_, plugin) => plugin),
    start: (job) =>
      startJava("Mirror", job, { BENCH_MIRROR_TOPICS: topicsOf(job).slice(0, job.workload.spec.fanout).join(",") }),
  },
  {
    id: "java",
    title: "plain Java",
    delivery: "at-least-once",
    start: (job) => startJava("PlainRouter", job, { BENCH_ROUTES: job.routesFile }),
  },
  {
    id: "streams",
    title: "Kafka Streams",
    delivery: "at-least-once",
    membersEach: THREADS,
    start: (job) => startStreams(job, "at_least_once"),
  },
  {
    id: "streams-eos",
    title: "Kafka Streams, exactly once",
    delivery: "exactly-once",
    membersEach: THREADS,
    start: (job) => startStreams(job, "exactly_once_v2"),
  },
  {
    id: "kafkajs",
    title: "kafkajs",
    delivery: "at-least-once",
    start: startKafkaJs,
  },
  {
    id: "plugboard",
    title: "Plugboard",
    delivery: "at-least-once",
    start: (job) => startPlugboard(job, { ROUTER_DELIVERY: "at-least-once" }),
  },
  {
    id: "plugboard-threads",
    title: "Plugboard, two threads",
    delivery: "at-least-once",
    membersEach: THREADS,
    start: (job) => startPlugboard(job, { ROUTER_DELIVERY: "at-least-once", ROUTER_THREADS: String(THREADS) }),
  },
  {
    id: "plugboard-eos",
    title: "Plugboard, exactly once",
    delivery: "exactly-once",
    start: (job) => startPlugboard(job, exactlyOnce(job)),
  },
  {
    id: "plugboard-eos-threads",
    title: "Plugboard, exactly once, two threads",
    delivery: "exactly-once",
    membersEach: THREADS,
    start: (job) => startPlugboard(job, { ...exactlyOnce(job), ROUTER_THREADS: String(THREADS) }),
  },
];

/** A run through one router: its group, and topics of its own. */
export function jobFor(
  session: BenchSession,
  prepared: PreparedWorkload,
  group: string,
  tunedFor: PeerJob["tunedFor"],
): PeerJob {
  return {
    ...prepared,
    brokers: session.brokers,
    group,
    prefix: `${group}.`,
    tunedFor,
    instance: 0,
    directory: session.temporaryDirectory(),
    java: session.java,
  };
}

export function topicsOf({ workload, prefix }: Pick<PeerJob, "workload" | "prefix">): string[] {
  return Array.from({ length: workload.spec.plugins }, (_, plugin) => prefix + pluginId(plugin));
}

function peerEnvironment(job: PeerJob): Record<string, string> {
  return {
    BENCH_BROKERS: job.brokers,
    BENCH_INPUT: job.input,
    BENCH_GROUP: job.group,
    BENCH_PREFIX: job.prefix,
    BENCH_TUNED_FOR: job.tunedFor,
  };
}

async function startJava(main: string, job: PeerJob, env: Record<string, string>): Promise<Child> {
  const { java, classPath } = await job.java();
  return await startChild({
    name: main,
    command: java,
    args: [...JVM_FLAGS, JVM_LOG, "-cp", classPath, main],
    env: { ...peerEnvironment(job), ...env },
    directory: job.directory,
  });
}

async function startStreams(job: PeerJob, guarantee: string): Promise<Child> {
  return await startJava("StreamsRouter", job, {
    BENCH_TABLE: job.tableTopic,
    BENCH_GUARANTEE: guarantee,
    BENCH_THREADS: String(THREADS),
    BENCH_STATE: join(job.directory, `${job.group}-${job.instance}`),
  });
}

function exactlyOnce({ instance }: PeerJob): Record<string, string> {
  return { ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: `instance-${instance}` };
}

async function startKafkaJs(job: PeerJob): Promise<Child> {
  return await startChild({
    name: "kafkajs-router",
    command: nodeCommand(),
    args: [...shippedFlags("apps/router"), join(import.meta.dirname, "peers", "kafkajs-router.ts")],
    env: { ...peerEnvironment(job), BENCH_ROUTES: job.routesFile },
    directory: job.directory,
  });
}

/** The router as it is shipped: built, started as its package says, configured by environment, routes from the manager. */
async function startPlugboard(job: PeerJob, own: Record<string, string>): Promise<Child> {
  const plane = await job.controlPlane();
  const [port] = await freePorts(1);
  const profile = job.profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${job.profileDirectory}`];
  const router = await startChild({
    name: "router",
    command: nodeCommand(),
    args: [...shippedFlags("apps/router"), ...profile, join(projectRoot(), "apps/router/dist/main.js")],
    env: {
      ...plane.routerEnvironment,
      PORT: String(port),
      RESPONSES_TOPIC: job.input,
      PLUGIN_TOPIC_PREFIX: job.prefix,
      ROUTER_GROUP_ID: job.group,
      ROUTER_PARKED_TOPIC: `${plane.name}.parked`,
      ...own,
    },
    directory: job.directory,
  });
  await untilReady(router, `http://127.0.0.1:${port}`);
  return router;
}
