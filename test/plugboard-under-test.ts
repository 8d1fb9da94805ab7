import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { deadLetterTopic, EVENT_HEADER, type EventPriority } from "@plugboard/contract";
import { type Admin, createKafkaClient, ensureTopics, type KafkaClient, type SafeProducer } from "@plugboard/kafka";
import { createLogger, type KafkaSettings } from "@plugboard/runtime";
import {
  createTestDatabase,
  type ServiceProcess,
  startProcess,
  testEnvironment,
  uniqueName,
  waitUntil,
} from "@plugboard/stack";
import { TopicReader } from "./topic-reader.ts";

/** Opens everything at the manager of the tests. */
export const ADMIN_TOKEN = "admin-token-of-the-end-to-end-tests";
const SIGNING_KEY = "signing-key-of-the-end-to-end-tests-32-bytes";
const READY_MS = 60_000;
const PARTITIONS = 3;

/** A process of Plugboard under test: it can be killed and started again under its address. */
export interface Service {
  readonly url: string;
  /** Starts it and waits until it is ready. */
  start(): Promise<void>;
  /** Ends it; resolves with its exit status, null after a signal. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  logs(): string;
}

/** One event as a test writes it to `responses`. */
export interface TestEvent {
  readonly team: string;
  readonly id: string;
  /** The record's key: the response. */
  readonly response: string;
  readonly form?: string;
  readonly priority?: EventPriority;
  readonly data?: object;
  readonly traceparent?: string;
}

/** Another Kafka than the shared one. */
export interface OwnKafka {
  /** For the test itself, which may do everything. */
  readonly settings: KafkaSettings;
  /** What each process is told of it, by the process's name. */
  readonly environmentOf: (service: string) => Readonly<Record<string, string>>;
  /** Called before anything of Plugboard starts. */
  readonly prepare: (plugboard: PlugboardUnderTest) => Promise<void>;
}

interface Options {
  readonly kafka?: OwnKafka;
  /** A Redis of the test's own; the shared one unless given. */
  readonly redisUrl?: string;
}

/**
 * A whole Plugboard of a test's own on the real stack: its processes run as they do in production, with topics, groups,
 * namespace and database of their own.
 */
export class PlugboardUnderTest {
  readonly name = uniqueName("e2e");
  readonly responses = `${this.name}.responses`;
  readonly commands = `${this.name}.commands`;
  readonly group = `${this.name}.router`;
  readonly kafka: KafkaClient;
  readonly admin: Admin;
  readonly producer: SafeProducer;
  readonly #redisUrl: string;
  readonly #ownKafka: OwnKafka | undefined;
  readonly #services: Service[] = [];
  readonly #readers: TopicReader[] = [];
  readonly #tokens = new Map<string, Promise<string>>();
  #database: Awaited<ReturnType<typeof createTestDatabase>> | undefined;
  #manager: Service | undefined;

  private constructor(redisUrl: string, ownKafka: OwnKafka | undefined) {
    const { kafkaBrokers } = testEnvironment();
    this.#redisUrl = redisUrl;
    this.#ownKafka = ownKafka;
    const settings = ownKafka?.settings ?? { KAFKA_BROKERS: kafkaBrokers.split(","), KAFKA_TLS: false };
    this.kafka = createKafkaClient(this.name, settings, createLogger("e2e", "silent"));
    this.admin = this.kafka.admin();
    this.producer = this.kafka.producer();
  }

  /** With its database migrated, its topic of responses created and its manager ready. */
  static async open(options: Options = {}): Promise<PlugboardUnderTest> {
    const plugboard = new PlugboardUnderTest(options.redisUrl ?? testEnvironment().redisUrl, options.kafka);
    try {
      await plugboard.#prepare();
      return plugboard;
    } catch (error) {
      await plugboard.close();
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    await Promise.all([this.admin.connect(), this.producer.connect()]);
    await this.#ownKafka?.prepare(this);
    this.#database = await createTestDatabase();
    const spec = { partitions: PARTITIONS, replicationFactor: 1, retentionMs: 3_600_000 };
    const migrate = { entry: "apps/manager/src/migrate.ts", name: "migrate", env: this.#environment({}) };
    const [migration] = await Promise.all([
      startProcess(migrate),
      ensureTopics(this.admin, [{ topic: this.responses, ...spec }]),
    ]);
    if ((await migration.exited) !== 0) throw new Error(`the migrations failed:\n${migration.logs()}`);
    this.#manager = await this.#service("manager", "apps/manager/src/main.ts", {
      PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
      PLUGBOARD_SIGNING_KEY: SIGNING_KEY,
      TOPIC_PARTITIONS: String(PARTITIONS),
      TOPIC_REPLICATION: "1",
      REGISTRATION_CHANGES: "apply",
    });
  }

  get manager(): Service {
    if (this.#manager === undefined) throw new Error("the manager is not started yet");
    return this.#manager;
  }

  async startRouter(overrides: Record<string, string> = {}): Promise<Service> {
    const env = { ...(await this.#asClient("router", "router")), ROUTER_GROUP_ID: this.group, ...overrides };
    return await this.#service("router", "apps/router/src/main.ts", env);
  }

  /** @param entry its main file, from the repository's root. */
  async startPlugin(
    id: string,
    own: Record<string, string> = {},
    entry = `plugins/${id}/src/main.ts`,
  ): Promise<Service> {
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
    return await this.#service(id, entry, {
      ...(await this.#asClient("plugin", id)),
      PLUGIN_GROUP_ID: `${this.name}.${id}`,
      PLUGIN_PRIVATE_KEY: JSON.stringify(key),
      PLUGIN_RETRY_DELAY_MS: "200",
      ...own,
    });
  }

  /** What a plugin's process is told, for one that is not started here. */
  async pluginEnvironment(id: string): Promise<Record<string, string>> {
    return this.#environment({ ...(await this.#asClient("plugin", id)), PLUGIN_GROUP_ID: `${this.name}.${id}` });
  }

  async startCore(): Promise<Service> {
    return await this.#service("collect-core", "examples/collect-core/src/main.ts", {
      ...(await this.#asClient("core", "collect-core")),
      COMMANDS_GROUP_ID: `${this.name}.core`,
      RESPONSES_REPLICATION: "1",
    });
  }

  /** Registers a plugin that has topics and routes, and no process. */
  async register(id: string): Promise<void> {
    await this.call("PUT", `/v1/plugins/${id}`, {
      name: id,
      description: "a plugin of the end-to-end tests",
      url: "http://127.0.0.1:1",
      version: "1.0.0",
      events: ["onResponse"],
      settings: { type: "object" },
    });
  }

  async enable(team: string, plugin: string, change: object = { enabled: true }): Promise<void> {
    await this.call("PUT", `/v1/teams/${team}/plugins/${plugin}`, change);
  }

  /** Configures a plugin for a team and waits until the plugin has applied it. */
  async configure(team: string, plugin: string, settings: object): Promise<void> {
    await this.call("PUT", `/v1/teams/${team}/plugins/${plugin}/config`, settings);
    await waitUntil(`${plugin} applies the settings of ${team}`, READY_MS, async () => {
      const view = (await this.call("GET", `/v1/teams/${team}/plugins/${plugin}`)) as {
        settings: { state: string; reasons: object[] };
      };
      if (view.settings.state === "refused") throw new Error(JSON.stringify(view.settings.reasons));
      return view.settings.state === "applied" || undefined;
    });
  }

  /** Calls the manager as its admin. @throws on anything but 2xx. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    return await callJson(method, `${this.manager.url}${path}`, body, ADMIN_TOKEN);
  }

  /** Writes events as a core does: binary CloudEvents, keyed by response. */
  async emit(events: readonly TestEvent[]): Promise<void> {
    await this.producer.send(
      this.responses,
      events.map(({ team, id, response, form, priority, data = {}, traceparent }) => ({
        key: response,
        value: JSON.stringify(data),
        headers: {
          [EVENT_HEADER.specversion]: "1.0",
          [EVENT_HEADER.id]: id,
          [EVENT_HEADER.source]: "e2e",
          [EVENT_HEADER.type]: "onResponse",
          [EVENT_HEADER.teamId]: team,
          [EVENT_HEADER.subject]: response,
          ...(traceparent !== undefined && { traceparent }),
          ...(form !== undefined && { [EVENT_HEADER.formId]: form }),
          ...(priority !== undefined && { [EVENT_HEADER.priority]: priority }),
        },
      })),
    );
  }

  /** Follows a topic from its beginning; several readers may follow one. */
  async follow(topic: string): Promise<TopicReader> {
    const reader = await TopicReader.open(this.kafka, topic);
    this.#readers.push(reader);
    return reader;
  }

  async followPlugin(plugin: string): Promise<TopicReader> {
    return await this.follow(`${this.name}.plugin.${plugin}`);
  }

  async followDeadLetters(): Promise<TopicReader> {
    return await this.follow(deadLetterTopic(this.responses));
  }

  /** Waits until the routers have committed everything in `responses`. */
  async drained(): Promise<void> {
    await waitUntil("the routers have committed everything", READY_MS, async () => {
      const ends = await this.admin.fetchTopicOffsets(this.responses);
      const [group] = await this.admin.fetchOffsets({ groupId: this.group, topics: [this.responses] });
      const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      return (
        ends.every(({ partition, high }) => Math.max(0, committed.get(partition) ?? 0) >= Number(high)) || undefined
      );
    });
  }

  /** Stops everything and removes what it left on the stack. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#services.toReversed().map((service) => service.end("SIGKILL")));
    await Promise.allSettled(this.#readers.map((reader) => reader.close()));
    const topics = (await this.admin.listTopics()).filter((topic) => topic.startsWith(this.name));
    await this.admin.deleteTopics({ topics }).catch(() => undefined);
    await Promise.allSettled([this.producer.disconnect(), this.admin.disconnect()]);
    await this.#database?.drop();
  }

  #environment(own: Record<string, string>): Record<string, string> {
    return {
      KAFKA_BROKERS: testEnvironment().kafkaBrokers,
      REDIS_URL: this.#redisUrl,
      DATABASE_URL: this.#database?.url ?? "",
      PLUGBOARD_NAMESPACE: this.name,
      RESPONSES_TOPIC: this.responses,
      PLUGIN_TOPIC_PREFIX: `${this.name}.plugin.`,
      DELIVERIES_TOPIC: `${this.name}.deliveries`,
      CORE_COMMANDS_TOPIC: this.commands,
      ROUTER_PARKED_TOPIC: `${this.name}.parked`,
      ...own,
    };
  }

  async #asClient(role: string, subject: string): Promise<Record<string, string>> {
    const key = `${role}:${subject}`;
    const minted =
      this.#tokens.get(key) ??
      this.call("POST", "/v1/tokens", { role, subject }).then((answer) => (answer as { token: string }).token);
    this.#tokens.set(key, minted);
    return { MANAGER_URL: this.manager.url, MANAGER_TOKEN: await minted };
  }

  async #service(name: string, entry: string, own: Record<string, string>): Promise<Service> {
    const port = await freePort();
    const env = this.#environment({ ...this.#ownKafka?.environmentOf(name), ...own, PORT: String(port) });
    const url = `http://127.0.0.1:${port}`;
    let process: ServiceProcess | undefined;
    const service: Service = {
      url,
      start: async () => {
        process = await startProcess({ name, entry, env });
        await ready(name, url, process);
      },
      end: async (signal) => {
        await process?.kill(signal);
        return (await process?.exited) ?? null;
      },
      logs: () => process?.logs() ?? "",
    };
    this.#services.push(service);
    await service.start();
    return service;
  }
}

/** Calls a JSON API. @throws with the answer on anything but 2xx. */
export async function callJson(method: string, url: string, body?: object, token?: string): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return text === "" ? null : JSON.parse(text);
}

async function ready(name: string, url: string, process: ServiceProcess): Promise<void> {
  let last = "no answer";
  let ended = false;
  process.exited.then(() => {
    ended = true;
  });
  const asked = async () => {
    if (ended) throw new Error(`${name} ended`);
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
    last = (await response?.text()) ?? last;
    return response?.ok || undefined;
  };
  await waitUntil(`${name} is ready`, READY_MS, asked).catch((error: Error) => {
    throw new Error(`${error.message}; /readyz said ${last}; its output:\n${process.logs().slice(-6_000)}`);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
