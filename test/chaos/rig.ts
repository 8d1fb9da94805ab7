import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LANES, parkedGroup, pluginTopics } from "@plugboard/contract";
import { type Admin, createKafkaClient, ensureTopics, type KafkaClient, type SafeProducer } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import {
  freePorts,
  type KafkaCluster,
  type PostgresServer,
  type RedisServer,
  startKafka,
  startPostgres,
  startProcess,
  startRedis,
  waitUntil,
} from "@plugboard/stack";
import { FETCH_BYTES_MAX } from "../../apps/router/src/adapters/partition-reader.ts";
import { EffectSink } from "./effect-sink.ts";
import { Front } from "./front.ts";
import { Journal } from "./journal.ts";
import { ManagerCalls } from "./manager-calls.ts";
import { Service } from "./service.ts";
import {
  ENABLED,
  FRAGILE_PLUGIN,
  PARKED,
  PROCESS_PLUGIN,
  QUOTAS,
  RESPONSES,
  ROUTER_GROUP,
  TOPIC_PLUGINS,
} from "./teams.ts";

export type Delivery = "at-least-once" | "exactly-once";

export interface RigOptions {
  readonly delivery: Delivery;
  /** Where the processes' logs go; emptied first. */
  readonly logs: string;
  /** How many managers and routers; 2 and 3 without it. */
  readonly size?: { readonly managers: number; readonly routers: number };
  /** Told what is being brought up. */
  readonly report: (doing: string) => void;
}

const SIZE = { managers: 2, routers: 3 };
const BROKERS = 3;
/** The least there is, so that the limit is met while routers catch up. */
const IN_FLIGHT_BYTES = 1024 * 1024;
const PARTITIONS = 6;
const PLUGIN_PARTITIONS = 3;
const DAY_MS = 86_400_000;
const SETTLE_MS = 300_000;
const ADMIN_TOKEN = "admin-token-of-the-chaos-rig";
const SIGNING_KEY = "signing-key-of-the-chaos-rig-of-32-bytes-or-more";
/** The brokers of the fragile plugin's topic, as Kafka counts them (from 1). */
const FRAGILE_BROKERS = [2, 3];

/**
 * A whole Plugboard as it runs in production, on servers of its own: three brokers, Redis, Postgres, two managers behind one
 * address, three routers and a plugin. Topics, groups and namespaces have their default names, so that the runbook's
 * commands fit as they stand.
 */
export class Rig {
  readonly options: RigOptions;
  readonly kafkaCluster: KafkaCluster;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly sink: EffectSink;
  readonly journal = new Journal();
  readonly kafka: KafkaClient;
  readonly admin: Admin;
  readonly producer: SafeProducer;
  readonly managers: Service[] = [];
  readonly routers: Service[] = [];
  readonly plugins: Service[] = [];
  readonly calls: ManagerCalls;
  readonly #front: Front;

  private constructor(
    options: RigOptions,
    servers: { kafka: KafkaCluster; redis: RedisServer; postgres: PostgresServer },
    edges: { sink: EffectSink; front: Front; managerPorts: readonly number[] },
  ) {
    this.options = options;
    this.kafkaCluster = servers.kafka;
    this.redis = servers.redis;
    this.postgres = servers.postgres;
    this.sink = edges.sink;
    this.#front = edges.front;
    this.calls = new ManagerCalls(edges.front.url, ADMIN_TOKEN);
    this.kafka = createKafkaClient(
      "chaos",
      { KAFKA_BROKERS: [...servers.kafka.addresses], KAFKA_TLS: false },
      createLogger("chaos", "silent"),
    );
    this.admin = this.kafka.admin();
    this.producer = this.kafka.producer();
    for (const [index, port] of edges.managerPorts.entries())
      this.managers.push(this.#service(`manager-${index + 1}`, "apps/manager/src/main.ts", port, this.#managerEnv()));
  }

  /** Brings everything up, with all plugins registered and all teams set. */
  static async open(options: RigOptions): Promise<Rig> {
    rmSync(options.logs, { recursive: true, force: true });
    mkdirSync(options.logs, { recursive: true });
    options.report("three brokers, Redis, Postgres");
    const [kafka, redis, postgres] = await Promise.all([
      startKafka({ brokers: BROKERS }),
      startRedis(),
      startPostgres(),
    ]);
    const { managers } = options.size ?? SIZE;
    const [frontPort = 0, sinkPort = 0, ...managerPorts] = await freePorts(2 + managers);
    const front = await Front.listen(frontPort, managerPorts);
    const sink = await EffectSink.listen(sinkPort);
    const rig = new Rig(options, { kafka, redis, postgres }, { sink, front, managerPorts });
    try {
      await rig.#prepare();
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  get services(): readonly Service[] {
    return [...this.managers, ...this.routers, ...this.plugins];
  }

  /** What all routers together may have read and not committed: each its setting, and one fetch per broker above it. */
  get inFlightBytesMax(): number {
    return this.routers.length * (IN_FLIGHT_BYTES + BROKERS * FETCH_BYTES_MAX);
  }

  get managerUrl(): string {
    return this.#front.url;
  }

  /** What an operator's shell needs to try a command on this installation. */
  get shell(): Readonly<Record<string, string>> {
    return {
      KAFKA_BROKERS: this.kafkaCluster.brokers,
      REDIS_URL: this.redis.url,
      DATABASE_URL: this.postgres.url,
      MANAGER_URL: this.managerUrl,
      PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
      ...Object.fromEntries(
        this.services.map(({ name, url }) => [`${name.toUpperCase().replaceAll("-", "_")}_URL`, url]),
      ),
    };
  }

  async #prepare(): Promise<void> {
    const { report, size = SIZE } = this.options;
    await Promise.all([this.admin.connect(), this.producer.connect()]);
    const migration = await startProcess({ name: "migrate", entry: "apps/manager/src/migrate.ts", env: this.#env() });
    if ((await migration.exited) !== 0) throw new Error(`the migrations failed:\n${migration.logs()}`);
    await ensureTopics(this.admin, [
      { topic: RESPONSES, partitions: PARTITIONS, replicationFactor: 3, retentionMs: 7 * DAY_MS },
    ]);
    await this.#createFragileTopic();
    report(`${size.managers} managers`);
    await Promise.all(this.managers.map((manager) => manager.start()));
    for (const plugin of TOPIC_PLUGINS) await this.calls.register(plugin);
    const asRouter = { MANAGER_URL: this.managerUrl, MANAGER_TOKEN: await this.calls.mint("router", "router") };
    const asPlugin = { MANAGER_URL: this.managerUrl, MANAGER_TOKEN: await this.calls.mint("plugin", PROCESS_PLUGIN) };
    report(`${size.routers} routers (${this.options.delivery}), 1 plugin`);
    for (const [index, port] of (await freePorts(size.routers)).entries()) {
      const env = {
        ...asRouter,
        ROUTER_DELIVERY: this.options.delivery,
        ROUTER_IN_FLIGHT_BYTES: String(IN_FLIGHT_BYTES),
        ...(this.options.delivery === "exactly-once" && { ROUTER_INSTANCE_ID: `router-${index + 1}` }),
      };
      this.routers.push(this.#service(`router-${index + 1}`, "apps/router/src/main.ts", port, env));
    }
    const [pluginPort = 0] = await freePorts(1);
    const pluginEnv = { ...asPlugin, ...this.#pluginEnv() };
    this.plugins.push(this.#service(PROCESS_PLUGIN, "test/chaos/recorder-plugin.ts", pluginPort, pluginEnv));
    await Promise.all([...this.plugins, ...this.routers].map((service) => service.start()));
    for (const [team, plugins] of Object.entries(ENABLED))
      for (const plugin of plugins) await this.calls.enable(team, plugin, true);
    for (const [team, quotas] of Object.entries(QUOTAS))
      for (const [plugin, quota] of Object.entries(quotas)) await this.calls.limit(team, plugin, quota);
    for (const plugin of [...TOPIC_PLUGINS, PROCESS_PLUGIN])
      for (const lane of LANES) await this.stampByBroker(pluginTopics(plugin)[lane]);
    await this.stampByBroker(RESPONSES);
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

  /** Before its registration, so that the manager finds it there. */
  async #createFragileTopic(): Promise<void> {
    const replicaAssignment = Array.from({ length: PLUGIN_PARTITIONS }, (_, partition) => ({
      partition,
      replicas: partition % 2 === 0 ? FRAGILE_BROKERS : FRAGILE_BROKERS.toReversed(),
    }));
    const topic = `plugin.${FRAGILE_PLUGIN}`;
    const configEntries = [
      { name: "min.insync.replicas", value: "2" },
      { name: "max.message.bytes", value: String(1_048_576 + 65_536) },
    ];
    await this.admin.createTopics({ waitForLeaders: false, topics: [{ topic, replicaAssignment, configEntries }] });
  }

  /**
   * Waits until the installation is as it was before a fault: every replica in sync, every process ready, and everything
   * routed that was in `responses` when this was called, and every parked copy in its own topic.
   * @throws when it is not within five minutes: something is stuck.
   */
  async settled(): Promise<void> {
    await waitUntil("all replicas are in sync", SETTLE_MS, async () => {
      const { topics } = await this.admin.fetchTopicMetadata().catch(() => ({ topics: [] }));
      const partitions = topics.flatMap((topic) => topic.partitions);
      return (
        (partitions.length > 0 && partitions.every(({ replicas, isr }) => isr.length === replicas.length)) || undefined
      );
    });
    for (const service of this.services) await service.ready();
    await this.routed();
    await this.#caughtUp("every parked copy is returned", parkedGroup(ROUTER_GROUP), PARKED);
  }

  /** Waits until the routers have committed what is in `responses` now. */
  routed(): Promise<void> {
    return this.#caughtUp("everything is routed", ROUTER_GROUP, RESPONSES);
  }

  async #caughtUp(what: string, group: string, topic: string): Promise<void> {
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
    await Promise.allSettled([this.#front.close(), this.sink.close()]);
    await Promise.allSettled([this.kafkaCluster.stop(), this.redis.stop(), this.postgres.stop()]);
  }

  #service(name: string, entry: string, port: number, own: Readonly<Record<string, string>>): Service {
    const logFile = join(this.options.logs, `${name}.log`);
    return new Service({ name, entry, port, logFile, env: { ...this.#env(), ...own } });
  }

  #env(): Record<string, string> {
    return {
      KAFKA_BROKERS: this.kafkaCluster.brokers,
      REDIS_URL: this.redis.url,
      DATABASE_URL: this.postgres.url,
    };
  }

  #managerEnv(): Record<string, string> {
    return {
      PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
      PLUGBOARD_SIGNING_KEY: SIGNING_KEY,
      TOPIC_PARTITIONS: String(PLUGIN_PARTITIONS),
    };
  }

  /** Attempts and delays are short, so that a delivery that fails is a dead letter within seconds. */
  #pluginEnv(): Record<string, string> {
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
    return {
      SINK_URL: this.sink.url,
      PLUGIN_PRIVATE_KEY: JSON.stringify(key),
      PLUGIN_RETRY_DELAY_MS: "500",
      PLUGIN_RETRY_DELAY_MS_MAX: "1000",
      PLUGIN_RETRY_ATTEMPTS_MAX: "3",
    };
  }
}
