import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Admin, createKafkaClient, type KafkaClient, type SafeProducer } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import {
  freePorts,
  type KafkaCluster,
  type PostgresServer,
  projectRoot,
  type RedisServer,
  startKafka,
  startPostgres,
  startProcess,
  startRedis,
  waitUntil,
} from "@plugboard/stack";
import { Front } from "./front.ts";
import { Journal } from "./journal.ts";
import { ManagerCalls } from "./manager-calls.ts";
import { Service } from "./service.ts";

/** What an installation stands on, before any process of Plugboard's own. */
export interface Servers {
  readonly kafka: KafkaCluster;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly front: Front;
  readonly managerPorts: readonly number[];
  /** Where all processes' logs go. */
  readonly logs: string;
}

export const BROKERS = 3;
export const DAY_MS = 86_400_000;
/** How long everything may take to be as it was before a fault. */
export const SETTLE_MS = 300_000;
/** Partitions of each topic that the manager makes. */
export const PLUGIN_PARTITIONS = 3;
const ADMIN_TOKEN = "admin-token-of-the-chaos-rig";
const SIGNING_KEY = "signing-key-of-the-chaos-rig-of-32-bytes-or-more";

/**
 * What brokers say beside warnings: which replicas are late. `kafka.coordinator.transaction.TransactionMarkerRequestCompletionHandler` at
 * `debug` tells of each mark of an ended transaction, 870 MB in five minutes with a topic below its minimum.
 */
const BROKER_LOG_LEVELS = { "kafka.cluster.Partition": "info" };

/**
 * Kafka, Redis and Postgres of one's own, and ports for managers behind one address.
 * @param logs a directory, emptied first.
 */
export async function startServers(managers: number, logs: string, brokers: 1 | 3 = BROKERS): Promise<Servers> {
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  const [kafka, redis, postgres] = await Promise.all([
    startKafka({ brokers, logs: { directory: logs, levels: BROKER_LOG_LEVELS } }),
    startRedis(),
    startPostgres(),
  ]);
  const [frontPort = 0, ...managerPorts] = await freePorts(1 + managers);
  const front = await Front.listen(frontPort, managerPorts);
  return { kafka, redis, postgres, front, managerPorts, logs };
}

/** What every rig has: servers of its own, managers behind one address, and clients to look at them and to change them. */
export class Installation {
  readonly kafkaCluster: KafkaCluster;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly journal = new Journal();
  readonly kafka: KafkaClient;
  readonly admin: Admin;
  readonly producer: SafeProducer;
  readonly managers: Service[] = [];
  readonly calls: ManagerCalls;
  readonly #front: Front;
  readonly #logs: string;
  /** The checkout that processes are made from. */
  protected root: string;

  /** @param root the checkout that its processes run from at first. */
  protected constructor({ kafka, redis, postgres, front, managerPorts, logs }: Servers, root: string = projectRoot()) {
    this.#logs = logs;
    this.root = root;
    this.kafkaCluster = kafka;
    this.redis = redis;
    this.postgres = postgres;
    this.#front = front;
    this.calls = new ManagerCalls(front.url, ADMIN_TOKEN);
    this.kafka = createKafkaClient(
      "chaos",
      { KAFKA_BROKERS: [...kafka.addresses], KAFKA_TLS: false },
      createLogger("chaos", "silent"),
    );
    this.admin = this.kafka.admin();
    this.producer = this.kafka.producer();
    for (const [index, port] of managerPorts.entries())
      this.managers.push(this.service(`manager-${index + 1}`, "apps/manager/src/main.ts", port, MANAGER_ENV));
  }

  get services(): readonly Service[] {
    return this.managers;
  }

  get managerUrl(): string {
    return this.#front.url;
  }

  /** What an operator's shell needs to try a command on this installation. */
  get shell(): Readonly<Record<string, string>> {
    return {
      ...this.#env(),
      MANAGER_URL: this.managerUrl,
      PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
      ...Object.fromEntries(
        this.services.map(({ name, url }) => [`${name.toUpperCase().replaceAll("-", "_")}_URL`, url]),
      ),
    };
  }

  /** Connects the clients, and makes the manager's tables. */
  protected async prepare(): Promise<void> {
    await Promise.all([this.admin.connect(), this.producer.connect()]);
    await this.migrate();
  }

  /** Applies the migrations of the version that processes are made from. */
  protected async migrate(): Promise<void> {
    const { root } = this;
    const entry = "apps/manager/src/migrate.ts";
    const migration = await startProcess({ name: "migrate", entry, root, env: this.#env() });
    if ((await migration.exited) !== 0) throw new Error(`the migrations failed:\n${migration.logs()}`);
  }

  protected service(
    name: string,
    entry: string,
    port: number,
    own: Readonly<Record<string, string>>,
    nodeFlags: readonly string[] = [],
  ): Service {
    const logFile = join(this.#logs, `${name}.log`);
    return new Service({ name, entry, root: this.root, port, logFile, nodeFlags, env: { ...this.#env(), ...own } });
  }

  /** Has the broker write the time into a topic's records: when a record was written, whatever its producer says. */
  async stampByBroker(topic: string): Promise<void> {
    await this.configureTopic(topic, { "message.timestamp.type": "LogAppendTime" });
  }

  /** Sets a topic's settings beside those it has. */
  async configureTopic(topic: string, entries: Readonly<Record<string, string>>): Promise<void> {
    const { resources } = await this.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic }],
    });
    const own = (resources[0]?.configEntries ?? []).filter(({ isDefault, readOnly }) => !isDefault && !readOnly);
    const merged = { ...Object.fromEntries(own.map((entry) => [entry.configName, entry.configValue])), ...entries };
    const configEntries = Object.entries(merged).map(([name, value]) => ({ name, value }));
    await this.admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] });
  }

  /** Waits until every replica is in sync and every process ready. @throws when they are not within five minutes. */
  protected async healthy(): Promise<void> {
    await waitUntil("all replicas are in sync", SETTLE_MS, async () => {
      const { topics } = await this.admin.fetchTopicMetadata().catch(() => ({ topics: [] }));
      const partitions = topics.flatMap((topic) => topic.partitions);
      return (
        (partitions.length > 0 && partitions.every(({ replicas, isr }) => isr.length === replicas.length)) || undefined
      );
    });
    for (const service of this.services) await service.ready();
  }

  /** Waits until a group has committed what is in a topic now. */
  protected async caughtUp(what: string, group: string, topic: string): Promise<void> {
    let ends: Awaited<ReturnType<Admin["fetchTopicOffsets"]>> | undefined;
    let left = "all of it";
    await waitUntil(what, SETTLE_MS, async () => {
      ends ??= await this.#ends(topic).catch(() => undefined);
      if (ends === undefined) return undefined;
      const committed = await this.committed(group, topic).catch(() => new Map<number, number>());
      const open = ends.filter(({ partition, high }) => (committed.get(partition) ?? 0) < Number(high));
      left = open.map(({ partition, high }) => `${partition}: ${committed.get(partition)} of ${high}`).join("; ");
      return open.length === 0 || undefined;
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${left}`);
    });
  }

  /** By a client of its own: one that has been there for long may not know a partition added a moment ago. */
  async #ends(topic: string) {
    const admin = this.kafka.admin();
    await admin.connect();
    return await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  }

  /** What a group has committed of a topic, by partition; 0 where it has not yet. */
  async committed(groupId: string, topic: string): Promise<Map<number, number>> {
    // Of all topics: of one, only partitions that this client knows of already.
    const offsets = (await this.admin.fetchOffsets({ groupId })).find((found) => found.topic === topic);
    return new Map(offsets?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.services.map((service) => service.end("SIGKILL")));
    await Promise.allSettled([this.producer.disconnect(), this.admin.disconnect()]);
    await this.#front.close().catch(() => {});
    await Promise.allSettled([this.kafkaCluster.stop(), this.redis.stop(), this.postgres.stop()]);
  }

  #env(): Record<string, string> {
    return {
      KAFKA_BROKERS: this.kafkaCluster.brokers,
      REDIS_URL: this.redis.url,
      DATABASE_URL: this.postgres.url,
    };
  }
}

const MANAGER_ENV = {
  PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
  PLUGBOARD_SIGNING_KEY: SIGNING_KEY,
  TOPIC_PARTITIONS: String(PLUGIN_PARTITIONS),
};
