import { generateKeyPairSync } from "node:crypto";
import { LANES, parkedGroup, pluginTopics } from "@plugboard/contract";
import { ensureTopics } from "@plugboard/kafka";
import { freePorts, projectRoot } from "@plugboard/stack";
import { FETCH_BYTES_MAX } from "../../apps/router/src/adapters/partition-reader.ts";
import { checkOutEarlierVersion, type EarlierVersion } from "./earlier-version.ts";
import { EffectSink } from "./effect-sink.ts";
import { BROKERS, DAY_MS, Installation, PLUGIN_PARTITIONS, type Servers, startServers } from "./installation.ts";
import type { Service } from "./service.ts";
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
  /** Threads of each router; 1 without it. */
  readonly threads?: number;
  /** The commit whose version all processes have at first; this one without it. */
  readonly from?: string;
  /** Told what is being brought up. */
  readonly report: (doing: string) => void;
}

const SIZE = { managers: 2, routers: 3 };
/** The least there is, so that the limit is met while routers catch up. */
const IN_FLIGHT_BYTES = 1024 * 1024;
const PARTITIONS = 6;
/** The brokers of the fragile plugin's topic, as Kafka counts them (from 1). */
const FRAGILE_BROKERS = [2, 3];

/**
 * A whole Plugboard as it runs in production, on servers of its own: three brokers, Redis, Postgres, two managers behind one
 * address, three routers and a plugin. Topics, groups and namespaces have their default names, so that the runbook's
 * commands fit as they stand.
 */
export class Rig extends Installation {
  readonly options: RigOptions;
  readonly sink: EffectSink;
  readonly routers: Service[] = [];
  readonly plugins: Service[] = [];
  readonly #earlier: EarlierVersion | undefined;

  private constructor(options: RigOptions, servers: Servers, sink: EffectSink, earlier: EarlierVersion | undefined) {
    super(servers, earlier?.root);
    this.options = options;
    this.sink = sink;
    this.#earlier = earlier;
  }

  /** Brings everything up, with all plugins registered and all teams set. */
  static async open(options: RigOptions): Promise<Rig> {
    if (options.from !== undefined) options.report(`the version of ${options.from}, and its dependencies`);
    const earlier = options.from === undefined ? undefined : await checkOutEarlierVersion(options.from);
    options.report("three brokers, Redis, Postgres");
    const servers = await startServers((options.size ?? SIZE).managers, options.logs);
    const [sinkPort = 0] = await freePorts(1);
    const rig = new Rig(options, servers, await EffectSink.listen(sinkPort), earlier);
    try {
      await rig.prepare();
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  override get services(): readonly Service[] {
    return [...this.managers, ...this.routers, ...this.plugins];
  }

  /** What all routers together may have read and not committed: each thread the least there is, and one fetch per broker above it. */
  get inFlightBytesMax(): number {
    const { threads = 1 } = this.options;
    return this.routers.length * threads * (IN_FLIGHT_BYTES + BROKERS * FETCH_BYTES_MAX);
  }

  protected override async prepare(): Promise<void> {
    const { report, size = SIZE, threads = 1 } = this.options;
    await super.prepare();
    await ensureTopics(this.admin, [
      { topic: RESPONSES, partitions: PARTITIONS, replicationFactor: 3, retentionMs: 7 * DAY_MS },
    ]);
    await this.#createFragileTopic();
    report(`${size.managers} managers`);
    await Promise.all(this.managers.map((manager) => manager.start()));
    for (const plugin of TOPIC_PLUGINS) await this.calls.register(plugin);
    const asRouter = { MANAGER_URL: this.managerUrl, MANAGER_TOKEN: await this.calls.mint("router", "router") };
    const asPlugin = { MANAGER_URL: this.managerUrl, MANAGER_TOKEN: await this.calls.mint("plugin", PROCESS_PLUGIN) };
    report(`${size.routers} routers of ${threads} thread(s) (${this.options.delivery}), 1 plugin`);
    for (const [index, port] of (await freePorts(size.routers)).entries()) {
      const env = {
        ...asRouter,
        ROUTER_DELIVERY: this.options.delivery,
        ROUTER_IN_FLIGHT_BYTES: String(IN_FLIGHT_BYTES),
        ROUTER_THREADS: String(threads),
        ...(this.options.delivery === "exactly-once" && { ROUTER_INSTANCE_ID: `router-${index + 1}` }),
      };
      this.routers.push(this.service(`router-${index + 1}`, "apps/router/src/main.ts", port, env));
    }
    const [pluginPort = 0] = await freePorts(1);
    const pluginEnv = { ...asPlugin, ...this.#pluginEnv() };
    this.plugins.push(this.service(PROCESS_PLUGIN, "test/chaos/recorder-plugin.ts", pluginPort, pluginEnv));
    await Promise.all([...this.plugins, ...this.routers].map((service) => service.start()));
    for (const [team, plugins] of Object.entries(ENABLED))
      for (const plugin of plugins) await this.calls.enable(team, plugin, true);
    for (const [team, quotas] of Object.entries(QUOTAS))
      for (const [plugin, quota] of Object.entries(quotas)) await this.calls.limit(team, plugin, quota);
    for (const plugin of [...TOPIC_PLUGINS, PROCESS_PLUGIN])
      for (const lane of LANES) await this.stampByBroker(pluginTopics(plugin)[lane]);
    await this.stampByBroker(RESPONSES);
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
    await this.healthy();
    await this.routed();
    await this.caughtUp("every parked copy is returned", parkedGroup(ROUTER_GROUP), PARKED);
  }

  /** Waits until the routers have committed what is in `responses` now. */
  routed(): Promise<void> {
    return this.caughtUp("everything is routed", ROUTER_GROUP, RESPONSES);
  }

  /**
   * The version that processes are to be replaced by, one after the other: this one, after its migrations, and the next time the
   * earlier one again, on the newer database. Without an earlier version the one they have.
   * @returns its checkout, of {@link Service.moveTo}.
   */
  async nextVersion(): Promise<string> {
    if (this.#earlier === undefined) return this.root;
    const isEarlier = this.root === this.#earlier.root;
    this.root = isEarlier ? projectRoot() : this.#earlier.root;
    this.options.report(isEarlier ? "from the earlier version to this one" : "back to the earlier version");
    if (isEarlier) await this.migrate();
    return this.root;
  }

  override async close(): Promise<void> {
    await Promise.allSettled(this.services.map((service) => service.end("SIGKILL")));
    await this.sink.close().catch(() => {});
    await super.close();
    this.#earlier?.remove();
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
