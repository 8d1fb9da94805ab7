import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createOwnedDirectory,
  type JavaProgram,
  javaProgram,
  type KafkaCluster,
  type PostgresServer,
  projectRoot,
  type RedisServer,
  startKafka,
  startPostgres,
  startRedis,
} from "@plugboard/stack";
import { BenchKafka } from "./bench-kafka.ts";
import { ControlPlane } from "./control-plane.ts";
import { produceBacklog, produceTable } from "./produce-backlog.ts";
import type { Report } from "./progress.ts";
import type { Workload } from "./workload.ts";

/** Of the topic that holds the records, unless a measurement says otherwise. */
const INPUT_PARTITIONS = 6;
export const PLUGIN_PARTITIONS = 6;

export interface SessionOptions {
  /** Where the broker's data are: in memory, so that the disk is no part of it, or on disk. */
  readonly disk: "tmpfs" | "disk";
  readonly inputPartitions?: number | undefined;
  readonly report: Report;
}

/** What a workload's runs share. */
export interface PreparedWorkload {
  readonly workload: Workload;
  /** The topic that holds its records; empty unless a backlog was asked for. */
  readonly input: string;
  readonly routesFile: string;
  readonly tableTopic: string;
  readonly controlPlane: () => Promise<ControlPlane>;
}

/** One broker, one Redis, one Postgres: everything of an invocation runs on them, and goes with them. */
export class BenchSession {
  readonly cluster: KafkaCluster;
  readonly kafka: BenchKafka;
  readonly directory: string;
  readonly inputPartitions: number;
  readonly #broker: string;
  readonly #planes = new Map<string, Promise<ControlPlane>>();
  #redis: Promise<RedisServer> | undefined;
  #postgres: Promise<PostgresServer> | undefined;
  #java: Promise<JavaProgram> | undefined;
  #names = 0;
  #enablementsPerSecond: number | null = null;

  private constructor(cluster: KafkaCluster, broker: string, inputPartitions: number) {
    this.cluster = cluster;
    this.#broker = broker;
    this.inputPartitions = inputPartitions;
    this.kafka = new BenchKafka(cluster.brokers);
    this.directory = createOwnedDirectory();
  }

  static async open({ disk, inputPartitions = INPUT_PARTITIONS, report }: SessionOptions): Promise<BenchSession> {
    const broker = createOwnedDirectory(disk === "tmpfs" ? "/dev/shm" : tmpdir());
    const cluster = await startKafka({ profile: "fast", dataDirectory: broker, report });
    return new BenchSession(cluster, broker, inputPartitions);
  }

  get brokers(): string {
    return this.cluster.brokers;
  }

  /** The broker's process, for its share of the CPU. */
  get brokerPid(): number {
    const pid = this.cluster.pidOf(0);
    if (pid === undefined) throw new Error("the broker does not run");
    return pid;
  }

  /** How fast the manager took the last table that was filled through it; null when none was. */
  get enablementsPerSecond(): number | null {
    return this.#enablementsPerSecond;
  }

  /** A name for topics and groups that was not used before. */
  name(what: string): string {
    return `${what}-${this.#names++}`;
  }

  readonly java = (): Promise<JavaProgram> => {
    this.#java ??= javaProgram("bench-peers", join(projectRoot(), "bench/peers/java"), process.env, () => {});
    return this.#java;
  };

  redis(): Promise<RedisServer> {
    this.#redis ??= startRedis();
    return this.#redis;
  }

  postgres(): Promise<PostgresServer> {
    this.#postgres ??= startPostgres();
    return this.#postgres;
  }

  /** A manager with a database of its own. */
  async openControlPlane(): Promise<ControlPlane> {
    const name = this.name("plane");
    const [redis, postgres] = await Promise.all([this.redis(), this.postgres()]);
    const plane = ControlPlane.open({ name, brokers: this.brokers, redis, postgres, directory: this.directory });
    this.#planes.set(name, plane);
    return await plane;
  }

  /** Writes the routes for all peers, and the records when a backlog is wanted. */
  async prepare(workload: Workload, backlog: boolean, report: Report): Promise<PreparedWorkload> {
    const input = this.name("input");
    const tableTopic = this.name("table");
    const routesFile = join(this.directory, `${tableTopic}.txt`);
    await this.kafka.createTopics({ names: [input], partitions: this.inputPartitions });
    await this.kafka.createTopics({ names: [tableTopic], partitions: 1, configs: { "cleanup.policy": "compact" } });
    const lines = [...workload.routes()].map(({ team, plugins }) => [team, ...plugins].join(" "));
    writeFileSync(routesFile, `${lines.join("\n")}\n`);
    await produceTable(workload, this.brokers, tableTopic);
    if (backlog)
      await produceBacklog(workload, { brokers: this.brokers, topic: input, partitions: this.inputPartitions, report });
    return { workload, input, routesFile, tableTopic, controlPlane: () => this.#planeFor(workload, report) };
  }

  /** Workloads of the same routes share one. */
  async #planeFor(workload: Workload, report: Report): Promise<ControlPlane> {
    const { seed, teams, plugins, fanout } = workload.spec;
    const key = `${seed}/${teams}/${plugins}/${fanout}`;
    let plane = this.#planes.get(key);
    if (plane === undefined) {
      plane = this.openControlPlane().then(async (opened) => {
        if (teams > TEAMS_BY_HTTP_MAX) await opened.fillDirectly(workload, report);
        else this.#enablementsPerSecond = await opened.fill(workload, report);
        return opened;
      });
      this.#planes.set(key, plane);
    }
    return await plane;
  }

  /** Removes a workload's topics: memory is short when data are kept in it. */
  async forget({ input, tableTopic }: PreparedWorkload): Promise<void> {
    await this.kafka.deleteTopics([input, tableTopic]);
  }

  temporaryDirectory(): string {
    return mkdtempSync(join(this.directory, "run-"));
  }

  async close(): Promise<void> {
    const planes = await Promise.allSettled(new Set(this.#planes.values()));
    await Promise.allSettled(planes.map(async (plane) => plane.status === "fulfilled" && plane.value.close()));
    await this.kafka.close();
    await Promise.allSettled([
      this.cluster.stop(),
      this.#redis?.then((it) => it.stop()),
      this.#postgres?.then((it) => it.stop()),
    ]);
    for (const directory of [this.directory, this.#broker]) rmSync(directory, { recursive: true, force: true });
  }
}

/** Above this, teams are written into Postgres directly: the manager answers hundreds of enablements a second. */
const TEAMS_BY_HTTP_MAX = 20_000;
