import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "./free-ports.ts";
import { type KafkaNode, kafkaProperties, metaProperties } from "./kafka-properties.ts";
import { formatWithUsers, type KafkaSecurity, prepareSecurity, type SecuredKafka } from "./kafka-security.ts";
import { type KafkaArtifacts, kafkaArtifacts, type Report } from "./maven-artifacts.ts";
import { createOwnedDirectory } from "./owned-directory.ts";
import { type Supervised, supervise } from "./supervise.ts";
import { requireJava } from "./toolchain.ts";
import { waitUntil } from "./wait-until.ts";

export interface KafkaOptions {
  /** 1, or 3 for tests of failures. Default 1. */
  readonly brokers?: 1 | 3;
  /** Where the data stays; without it the data goes with the cluster. */
  readonly dataDirectory?: string;
  /** The first broker's port; any free one without it. */
  readonly port?: number;
  /** `small` (default) starts fast and takes little memory; `fast` is for measurements. */
  readonly profile?: keyof typeof JVM_FLAGS;
  readonly report?: Report;
  /**
   * Where what the brokers log stays: a file for each start of each, with times. Without it one goes with the data.
   * `levels` are those of loggers that say more than warnings.
   */
  readonly logs?: { readonly directory: string; readonly levels: Readonly<Record<string, string>> };
  /** TLS, SASL/SCRAM and ACLs; for one broker whose data does not stay. Without it anybody may do anything. */
  readonly security?: KafkaSecurity;
}

/** A Kafka of one's own. Brokers are numbered from 0. */
export interface KafkaCluster {
  /** Comma-separated addresses of all brokers. */
  readonly brokers: string;
  readonly addresses: readonly string[];
  /** Of a cluster that was started with `security`. */
  readonly secured: SecuredKafka | undefined;
  /** Its process, for measurements; undefined while it does not run. */
  pidOf(broker: number): number | undefined;
  /** kill -9. Its data stays. */
  kill(broker: number): Promise<void>;
  /** Starts a killed broker again, same port and data; resolves when it serves. */
  start(broker: number): Promise<void>;
  /** Freezes a broker (SIGSTOP) until `resume`: it keeps its connections and answers nothing. */
  pause(broker: number): Promise<void>;
  resume(broker: number): void;
  /** Stops all brokers and removes the data, unless it was given a place. */
  stop(): Promise<void>;
}

const JVM_FLAGS = {
  small: ["-Xms64m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"],
  fast: ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:-UsePerfData"],
};
const READY_MS = 60_000;
/** Another process may take a port between finding it free and listening on it. */
const ATTEMPTS_MAX = 3;
const SIMPLE_LOGGER = "-Dorg.slf4j.simpleLogger";
const LOG_LEVELS = [`${SIMPLE_LOGGER}.defaultLogLevel=warn`, `${SIMPLE_LOGGER}.log.kafka.server.KafkaRaftServer=info`];
const LOG_TIMES = [
  `${SIMPLE_LOGGER}.showDateTime=true`,
  `${SIMPLE_LOGGER}.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX`,
];
const STARTED = "Kafka Server started";
const PORT_TAKEN = "Address already in use";

class PortTaken extends Error {}

/**
 * Starts a private Kafka (KRaft) from its jars. It does not outlive this process.
 * @throws MissingTool without Java 17, or without Maven the first time.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const report = options.report ?? (() => {});
  const java = await requireJava(process.env);
  const artifacts = await kafkaArtifacts(process.env, report);
  if (options.security !== undefined && (options.brokers === 3 || options.dataDirectory !== undefined)) {
    throw new Error("a secured Kafka is one broker, and its data does not stay");
  }
  report("starting");
  for (let attempt = 1; ; attempt++) {
    const directory = options.dataDirectory ?? createOwnedDirectory();
    const cluster = await NativeKafka.create(java, artifacts, directory, options);
    try {
      await cluster.startAll();
      return cluster;
    } catch (error) {
      await cluster.stop();
      if (!(error instanceof PortTaken) || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

class NativeKafka implements KafkaCluster {
  readonly addresses: readonly string[];
  readonly secured: SecuredKafka | undefined;
  readonly #java: string;
  readonly #artifacts: KafkaArtifacts;
  readonly #directory: string;
  readonly #options: KafkaOptions;
  readonly #nodes: readonly KafkaNode[];
  readonly #running = new Map<number, Supervised>();
  #starts = 0;

  private constructor(
    java: string,
    artifacts: KafkaArtifacts,
    directory: string,
    options: KafkaOptions,
    nodes: readonly KafkaNode[],
    secured: SecuredKafka | undefined,
  ) {
    this.secured = secured;
    this.#java = java;
    this.#artifacts = artifacts;
    this.#directory = directory;
    this.#options = options;
    this.#nodes = nodes;
    this.addresses = nodes.map(({ brokerPort }) => `127.0.0.1:${brokerPort}`);
  }

  /** Finds ports and prepares the data directories. */
  static async create(
    java: string,
    artifacts: KafkaArtifacts,
    directory: string,
    options: KafkaOptions,
  ): Promise<NativeKafka> {
    const count = options.brokers ?? 1;
    const ports = await freePorts(2 * count);
    if (options.port !== undefined) ports[0] = options.port;
    const cluster = Array.from({ length: count }, (_, index) => ({
      id: index + 1,
      controllerPort: ports[count + index] as number,
    }));
    const security = options.security === undefined ? undefined : await prepareSecurity(directory, options.security);
    const nodes = cluster.map(({ id, controllerPort }, index) => ({
      id,
      brokerPort: ports[index] as number,
      controllerPort,
      dataDirectory: join(directory, `kafka-${id}`),
      cluster,
      ...(security !== undefined && { security: security.properties }),
    }));
    const clusterId = randomId();
    for (const node of nodes) {
      mkdirSync(node.dataDirectory, { recursive: true });
      writeFileSync(propertiesFile(node), kafkaProperties(node), { mode: 0o600 });
      if (security === undefined) prepare(node, clusterId, artifacts);
      else await formatWithUsers(java, artifacts.libraries, propertiesFile(node), clusterId, security.users);
    }
    return new NativeKafka(java, artifacts, directory, options, nodes, security);
  }

  get brokers(): string {
    return this.addresses.join(",");
  }

  async startAll(): Promise<void> {
    await Promise.all(this.#nodes.map((_, broker) => this.start(broker)));
  }

  async start(broker: number): Promise<void> {
    const node = this.#node(broker);
    if (this.#running.has(broker)) return;
    const log = this.#logOfNextStart(node);
    const flags = JVM_FLAGS[this.#options.profile ?? "small"];
    const classPath = ["-cp", join(this.#artifacts.libraries, "*")];
    const supervised = await supervise({
      command: this.#java,
      args: [...flags, ...this.#logFlags(), ...classPath, "kafka.Kafka", propertiesFile(node)],
      env: process.env,
      output: { file: log },
    });
    this.#running.set(broker, supervised);
    await waitUntil(`Kafka broker ${node.id} is ready`, READY_MS, () => {
      const text = readFileSync(log, "utf8");
      if (text.includes(STARTED)) return true;
      if (supervised.isRunning()) return undefined;
      this.#running.delete(broker);
      if (text.includes(PORT_TAKEN)) throw new PortTaken(`port ${node.brokerPort} or ${node.controllerPort} is taken`);
      throw new Error(`Kafka broker ${node.id} ended while starting:\n${text.slice(-2000)}`);
    });
  }

  pidOf(broker: number): number | undefined {
    return this.#running.get(broker)?.pid;
  }

  async kill(broker: number): Promise<void> {
    this.#node(broker);
    await this.#running.get(broker)?.end("SIGKILL");
    this.#running.delete(broker);
  }

  async pause(broker: number): Promise<void> {
    await this.#running.get(broker)?.freeze();
  }

  resume(broker: number): void {
    this.#running.get(broker)?.child.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    // Data that stays is closed in order; what is thrown away is not worth the wait.
    const signal = this.#options.dataDirectory === undefined ? "SIGKILL" : "SIGTERM";
    await Promise.all([...this.#running.values()].map((supervised) => supervised.end(signal)));
    this.#running.clear();
    if (this.#options.dataDirectory === undefined) rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Removed, where another run left one of this name: whether the broker has started is read from it. */
  #logOfNextStart({ id }: KafkaNode): string {
    const { logs } = this.#options;
    this.#starts += 1;
    const log =
      logs === undefined
        ? join(this.#directory, `kafka-${id}.log`)
        : join(logs.directory, `kafka-${id}-start-${this.#starts}.log`);
    rmSync(log, { force: true });
    return log;
  }

  #logFlags(): string[] {
    const { logs } = this.#options;
    if (logs === undefined) return LOG_LEVELS;
    const levels = Object.entries(logs.levels).map(([name, level]) => `${SIMPLE_LOGGER}.log.${name}=${level}`);
    return [...LOG_LEVELS, ...LOG_TIMES, ...levels];
  }

  #node(broker: number): KafkaNode {
    const node = this.#nodes[broker];
    if (node === undefined) throw new Error(`there is no broker ${broker}: they are 0 to ${this.#nodes.length - 1}`);
    return node;
  }
}

/** Formats the node's directory unless it is formatted already. */
function prepare(node: KafkaNode, clusterId: string, artifacts: KafkaArtifacts): void {
  const meta = join(node.dataDirectory, "meta.properties");
  if (!existsSync(meta)) {
    copyFileSync(artifacts.bootstrapCheckpoint, join(node.dataDirectory, "bootstrap.checkpoint"));
    writeFileSync(meta, metaProperties(node.id, clusterId, randomId()));
  }
}

function propertiesFile(node: KafkaNode): string {
  return `${node.dataDirectory}.properties`;
}

/** A UUID as Kafka writes it. A leading dash would be taken for an option by its tools. */
function randomId(): string {
  const id = randomBytes(16).toString("base64url");
  return id.startsWith("-") ? randomId() : id;
}
