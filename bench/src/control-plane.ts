import { join } from "node:path";
import { freePorts, type PostgresServer, projectRoot, type RedisServer } from "@plugboard/stack";
import pLimit from "p-limit";
import { Client } from "pg";
import { type Child, nodeCommand, startChild, untilReady } from "./child.ts";
import type { Report } from "./progress.ts";
import { pluginId, teamId, type Workload } from "./workload.ts";

const ADMIN_TOKEN = "admin-token-of-the-measurements";
const SIGNING_KEY = "signing-key-of-the-measurements-32-bytes";
/** Requests to the manager at once: about what keeps it busy. */
const REQUESTS_AT_ONCE = 16;
const REQUEST_DEADLINE_MS = 30_000;

export interface ControlPlaneOptions {
  readonly name: string;
  readonly brokers: string;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly directory: string;
}

/** Plugboard's manager as a real process, with a database and a namespace of its own. */
export class ControlPlane {
  readonly name: string;
  readonly databaseUrl: string;
  readonly url: string;
  readonly #options: ControlPlaneOptions;
  #manager: Child | undefined;
  #routerToken = "";

  private constructor(options: ControlPlaneOptions, databaseUrl: string, port: number) {
    this.name = options.name;
    this.databaseUrl = databaseUrl;
    this.url = `http://127.0.0.1:${port}`;
    this.#options = options;
  }

  /** With its database migrated, its manager ready and nothing registered. */
  static async open(options: ControlPlaneOptions): Promise<ControlPlane> {
    const database = options.name.replaceAll("-", "_");
    await sql(options.postgres.url, `CREATE DATABASE ${database}`);
    const url = new URL(options.postgres.url);
    url.pathname = `/${database}`;
    const [port] = await freePorts(1);
    const plane = new ControlPlane(options, url.href, port as number);
    const migrate = await plane.#run("migrate", "apps/manager/dist/migrate.js");
    if ((await migrate.supervised.exited) !== 0) throw new Error(`the migrations failed:\n${migrate.log()}`);
    await plane.startManager();
    plane.#routerToken = (
      (await plane.call("POST", "/v1/tokens", { role: "router", subject: "router" })) as {
        token: string;
      }
    ).token;
    return plane;
  }

  async startManager(): Promise<void> {
    this.#manager = await this.#run("manager", "apps/manager/dist/main.js");
    await untilReady(this.#manager, this.url);
  }

  async endManager(signal: NodeJS.Signals): Promise<void> {
    await this.#manager?.end(signal);
  }

  /** Registers the workload's plugins and enables them for its teams, all by HTTP. @returns enablements per second. */
  async fill(workload: Workload, report: Report): Promise<number> {
    await this.registerPlugins(workload.spec.plugins);
    const limit = pLimit(REQUESTS_AT_ONCE);
    const total = Math.round(workload.spec.teams * workload.spec.fanout);
    const startedAtMs = performance.now();
    let done = 0;
    const enable = (team: string, plugin: string) =>
      limit(async () => {
        await this.enable(team, plugin, { enabled: true });
        report(`${++done} of ${total} enablements`);
      });
    const all: Promise<void>[] = [];
    for (const { team, plugins } of workload.routes()) all.push(...plugins.map((plugin) => enable(team, plugin)));
    await Promise.all(all);
    return (all.length * 1_000) / (performance.now() - startedAtMs);
  }

  async registerPlugins(count: number): Promise<void> {
    for (let plugin = 0; plugin < count; plugin++) {
      await this.register(pluginId(plugin), ["onResponse"]);
    }
  }

  /** @returns the answer's HTTP status. */
  async register(plugin: string, events: readonly string[]): Promise<number> {
    const registration = {
      name: plugin,
      description: "a plugin of the measurements: it has a topic and routes, and no process",
      url: "http://127.0.0.1:1",
      version: "1.0.0",
      events,
      settings: { type: "object" },
    };
    return (await this.#request("PUT", `/v1/plugins/${plugin}`, registration)).status;
  }

  /** Writes the workload's teams straight into Postgres and rebuilds the table in Redis. */
  async fillDirectly(workload: Workload, report: Report): Promise<void> {
    await this.registerPlugins(workload.spec.plugins);
    report("writing teams into Postgres");
    await fillDatabase(this.databaseUrl, workload);
    report("rebuilding the table in Redis");
    const rebuild = await this.#run("routes-rebuild", "apps/manager/dist/rebuild-routes.js");
    if ((await rebuild.supervised.exited) !== 0) throw new Error(`the rebuild failed:\n${rebuild.log()}`);
  }

  /** @returns the answer's HTTP status: 200, or 202 when Redis could not be told yet. */
  async enable(team: string, plugin: string, change: object): Promise<number> {
    return (await this.#request("PUT", `/v1/teams/${team}/plugins/${plugin}`, change)).status;
  }

  /** Calls the manager as its admin. @throws with the answer on anything but 2xx. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const { text } = await this.#request(method, path, body);
    return text === "" ? null : JSON.parse(text);
  }

  async #request(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return { status: response.status, text };
  }

  /** What a router of this installation is told, but for its topics and group. */
  get routerEnvironment(): Record<string, string> {
    return { ...this.#shared, MANAGER_URL: this.url, MANAGER_TOKEN: this.#routerToken };
  }

  /** What a plugin of this installation is told, but for its port, database, topics and group. */
  async pluginEnvironment(plugin: string): Promise<Record<string, string>> {
    const { token } = (await this.call("POST", "/v1/tokens", { role: "plugin", subject: plugin })) as { token: string };
    return { ...this.#shared, MANAGER_URL: this.url, MANAGER_TOKEN: token };
  }

  async close(): Promise<void> {
    await this.endManager("SIGTERM");
  }

  get #shared(): Record<string, string> {
    return {
      KAFKA_BROKERS: this.#options.brokers,
      REDIS_URL: this.#options.redis.url,
      PLUGBOARD_NAMESPACE: this.name,
      DELIVERIES_TOPIC: `${this.name}.deliveries`,
      LOG_LEVEL: "warn",
    };
  }

  async #run(name: string, entry: string): Promise<Child> {
    return await startChild({
      name,
      command: nodeCommand(),
      args: [join(projectRoot(), entry)],
      env: {
        ...this.#shared,
        DATABASE_URL: this.databaseUrl,
        PORT: new URL(this.url).port,
        PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
        PLUGBOARD_SIGNING_KEY: SIGNING_KEY,
        // The manager makes topics at registration. A run's copies go to topics made for that run, under another prefix.
        PLUGIN_TOPIC_PREFIX: `${this.name}.registered.`,
        CORE_COMMANDS_TOPIC: `${this.name}.commands`,
        TOPIC_PARTITIONS: "1",
        TOPIC_REPLICATION: "1",
      },
      directory: this.#options.directory,
    });
  }
}

/** Runs one statement. @returns its rows. */
export async function sql<T>(databaseUrl: string, text: string, values: unknown[] = []): Promise<T[]> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as T[];
  } finally {
    await client.end();
  }
}

const TEAMS_PER_INSERT = 20_000;

/**
 * What the manager would have stored, had every team come by HTTP: a million of them would take an hour. Versions count
 * from 1; history is left out.
 */
async function fillDatabase(databaseUrl: string, workload: Workload): Promise<void> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    for (let from = 0; from < workload.spec.teams; from += TEAMS_PER_INSERT) {
      const numbers = Array.from(
        { length: Math.min(TEAMS_PER_INSERT, workload.spec.teams - from) },
        (_, i) => from + i,
      );
      const teams = numbers.map(teamId);
      const pairs = numbers.flatMap((team) =>
        workload.pluginsOf(team).map((plugin) => [teamId(team), pluginId(plugin)] as const),
      );
      const entries = numbers.map((team) => {
        const plugins = workload.pluginsOf(team).map(pluginId).sort().map(routeOf);
        return JSON.stringify({ v: 1, plugins });
      });
      await client.query("INSERT INTO teams (id) SELECT unnest($1::text[])", [teams]);
      await client.query(
        `INSERT INTO team_plugins (team_id, plugin_id, enabled, mode, on_failure, settings_state, reasons, ready)
         SELECT team, plugin, true, 'async', 'open', 'not-required', '[]', true
         FROM unnest($1::text[], $2::text[]) AS pair (team, plugin)`,
        [pairs.map(([team]) => team), pairs.map(([, plugin]) => plugin)],
      );
      await client.query(
        "INSERT INTO routing_entries (key, v, entry) SELECT 'team:' || team, 1, entry::json FROM unnest($1::text[], $2::text[]) AS row (team, entry)",
        [teams, entries],
      );
    }
  } finally {
    await client.end();
  }
}

function routeOf(id: string): object {
  return { id, ready: true, forms: null, filter: null, mode: "async", onFailure: "open", quota: null };
}
