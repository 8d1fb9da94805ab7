import { LANES, laneGroup, pluginTopics } from "@plugboard/contract";
import { freePorts, waitUntil } from "@plugboard/stack";
import { Client } from "pg";
import { schemaOf } from "../../../packages/plugin-sdk/src/store/connect-database.ts";
import { Installation, SETTLE_MS, type Servers, startServers } from "../installation.ts";
import type { Service } from "../service.ts";
import type { Kind } from "./roster.ts";
import { Vendor } from "./vendor.ts";

export interface PluginRigOptions {
  /** Gives the vendor's moods. */
  readonly seed: number;
  readonly kinds: readonly Kind[];
  readonly teams: number;
  readonly size: { readonly brokers: 1 | 3; readonly managers: number; readonly instances: number };
  /** How long instances are killed one after the other, milliseconds. */
  readonly killForMs: number;
  /** Rules of the SDK broken on purpose, by name (sdk-mutations.ts). */
  readonly mutations?: readonly string[];
  /** How long all that came before may take to be settled; five minutes without it. */
  readonly settleMs?: number;
  /** Where the processes' logs go; emptied first. */
  readonly logs: string;
  /** Told what is being brought up. */
  readonly report: (doing: string) => void;
}

/** One plugin process; its name goes with each of its effects. */
export interface Instance {
  readonly kind: Kind;
  readonly service: Service;
}

const QUERY_MS = 10_000;

/** Plugins written with the SDK, several instances of each, on servers of their own and a real manager. */
export class PluginRig extends Installation {
  readonly options: PluginRigOptions;
  readonly vendor: Vendor;
  readonly instances: Instance[] = [];
  readonly teams: readonly string[];
  /** When which instance was frozen, milliseconds since 1970. */
  readonly freezes: { readonly instance: string; readonly from: number; until: number }[] = [];

  private constructor(options: PluginRigOptions, servers: Servers, vendor: Vendor) {
    super(servers);
    this.options = options;
    this.vendor = vendor;
    this.teams = Array.from({ length: options.teams }, (_, index) => `team-${index + 1}`);
  }

  static async open(options: PluginRigOptions): Promise<PluginRig> {
    const { seed, size, report } = options;
    report(`${size.brokers} brokers, Redis, Postgres`);
    const servers = await startServers(size.managers, options.logs, size.brokers);
    const [vendorPort = 0] = await freePorts(1);
    const rig = new PluginRig(options, servers, await Vendor.listen(vendorPort, seed));
    try {
      await rig.prepare();
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  override get services(): readonly Service[] {
    return [...this.managers, ...this.instances.map(({ service }) => service)];
  }

  /** Live, priority and bulk topics of all plugins. */
  get topics(): readonly string[] {
    return this.options.kinds.flatMap((kind) => LANES.map((lane) => pluginTopics(kind)[lane]));
  }

  protected override async prepare(): Promise<void> {
    const { report, kinds, size } = this.options;
    await super.prepare();
    report(`${size.managers} managers`);
    await Promise.all(this.managers.map((manager) => manager.start()));
    report(`${size.instances} instances each of ${kinds.join(", ")}`);
    for (const kind of kinds) await this.#addInstances(kind);
    await Promise.all(this.instances.map(({ service }) => service.start()));
    for (const kind of kinds) await Promise.all(this.teams.map((team) => this.calls.enable(team, kind, true)));
    for (const topic of this.topics) await this.stampByBroker(topic);
  }

  async #addInstances(kind: Kind): Promise<void> {
    const { size, mutations = [] } = this.options;
    const nodeFlags = mutations.length === 0 ? [] : ["--import", new URL("mutated-sdk.ts", import.meta.url).href];
    const token = await this.calls.mint("plugin", kind);
    for (const [index, port] of (await freePorts(size.instances)).entries()) {
      const name = `${kind}-${index + 1}`;
      const own = {
        ...pluginEnv(this.vendor.url),
        CHAOS_KIND: kind,
        CHAOS_INSTANCE: name,
        MANAGER_URL: this.managerUrl,
        MANAGER_TOKEN: token,
        CHAOS_MUTATIONS: mutations.join(","),
        // What is kept compiled is the SDK as it is.
        ...(mutations.length > 0 && { NODE_DISABLE_COMPILE_CACHE: "1" }),
      };
      const service = this.service(name, "test/chaos/plugins/effects-plugin.ts", port, own, nodeFlags);
      this.instances.push({ kind, service });
    }
  }

  /** Rows of a query in the schema of a plugin, by a connection of its own. */
  async query<Row extends object>(kind: Kind, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = new Client({
      connectionString: this.postgres.url,
      connectionTimeoutMillis: QUERY_MS,
      query_timeout: QUERY_MS * 6,
    });
    // A server that is killed cuts it: the query says so.
    client.on("error", () => {});
    await client.connect();
    try {
      await client.query(`SET search_path = ${schemaOf(kind)}`);
      return (await client.query(sql, [...values])).rows as Row[];
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** How many deliveries of a plugin are settled; 0 as long as its database does not answer. */
  async settledCount(kind: Kind): Promise<number> {
    const rows = await this.query<{ count: string }>(
      kind,
      "SELECT count(*) FROM deliveries WHERE state = 'settled'",
    ).catch(() => []);
    return Number(rows[0]?.count ?? 0);
  }

  /** Waits until a plugin has settled something from now on. */
  async progress(kind: Kind): Promise<void> {
    const before = await this.settledCount(kind);
    await waitUntil(`${kind} settles deliveries`, SETTLE_MS, async () => {
      return (await this.settledCount(kind)) > before || undefined;
    });
  }

  /** kill -9 of some instances at once. @returns what starts them again. */
  async kill(instances: readonly Instance[]): Promise<() => Promise<void>> {
    for (const { service } of instances) this.journal.disturbed(`kill -9 of ${service.name}`);
    await Promise.all(instances.map(({ service }) => service.end("SIGKILL")));
    return async () => void (await Promise.all(instances.map(({ service }) => service.start())));
  }

  /**
   * Waits until everything is as before a fault: replicas in sync, processes ready, and every delivery settled and committed
   * that was there when this was called.
   * @throws when it is not within five minutes: something is stuck.
   */
  async settled(): Promise<void> {
    await this.healthy();
    for (const kind of this.options.kinds) {
      for (const lane of LANES) {
        const topic = pluginTopics(kind)[lane];
        await this.caughtUp(`${topic} is committed`, laneGroup(`plugboard.${kind}`, lane), topic);
      }
      // What has left its topic stands in the tables by now, if it is not settled.
      const before = new Date();
      let open = "unknown";
      await waitUntil(`${kind} has settled everything`, this.options.settleMs ?? SETTLE_MS, async () => {
        const [row] = await this.query<{ waiting: string; open: string }>(
          kind,
          `SELECT (SELECT count(*) FROM retries WHERE stored_at < $1) AS waiting,
             (SELECT count(*) FROM deliveries WHERE state <> 'settled' AND created_at < $1) AS open`,
          [before],
        ).catch(() => []);
        if (row !== undefined) open = `${row.waiting} wait, ${row.open} not settled`;
        return (row?.waiting === "0" && row.open === "0") || undefined;
      }).catch((error: Error) => {
        throw new Error(`${error.message}: ${open}`);
      });
    }
  }

  override async close(): Promise<void> {
    await Promise.allSettled(this.services.map((service) => service.end("SIGKILL")));
    await this.vendor.close().catch(() => {});
    await super.close();
  }
}

/** Delays are short and attempts many, so that nothing is given up: what the vendor refuses for a while is delivered in the end. */
function pluginEnv(vendor: string): Record<string, string> {
  return {
    VENDOR_URL: vendor,
    LOG_LEVEL: "info",
    PLUGIN_SESSION_TIMEOUT_MS: "6000",
    PLUGIN_RETRY_DELAY_MS: "200",
    PLUGIN_RETRY_DELAY_MS_MAX: "1000",
    PLUGIN_RETRY_ATTEMPTS_MAX: "100",
    PLUGIN_DRAIN_MS: "1000",
  };
}
