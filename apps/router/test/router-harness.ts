import { deadLetterTopic, type PluginEntry, parkedGroup, type TeamEntry } from "@plugboard/contract";
import { type Admin, createKafkaClient, ensureTopics, type KafkaMessage, type SafeProducer } from "@plugboard/kafka";
import type { ResolvedTeam, RoutingTable } from "@plugboard/routing-table";
import { createLogger, createRegistry, Lifecycle } from "@plugboard/runtime";
import { testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { composeRouter, type Router } from "../src/compose.ts";
import { loadRouterSettings } from "../src/settings.ts";

/** A table that tests change by hand; it can be made not to answer. */
class FakeTable implements RoutingTable {
  readonly teams = new Map<string, TeamEntry>();
  readonly plugins = new Map<string, PluginEntry>();
  #blocked: PromiseWithResolvers<void> | undefined;

  /** Enables exactly these plugins for a team. */
  enable(team: string, plugins: readonly string[], route: Partial<TeamEntry["plugins"][number]> = {}): void {
    const v = (this.teams.get(team)?.v ?? 0) + 1;
    for (const id of plugins) {
      if (!this.plugins.has(id))
        this.plugins.set(id, { v: 1, events: ["onResponse"], priorityEvents: [], sync: null, state: "enabled" });
    }
    this.teams.set(team, {
      v,
      plugins: plugins.map((id) => ({
        id,
        ready: true,
        forms: null,
        filter: null,
        mode: "async",
        onFailure: "open",
        quota: null,
        ...route,
      })),
    });
  }

  block(): void {
    this.#blocked ??= Promise.withResolvers();
  }

  unblock(): void {
    this.#blocked?.resolve();
    this.#blocked = undefined;
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  known(id: string): ResolvedTeam | null | undefined {
    return this.#blocked === undefined ? this.#entryOf(id) : undefined;
  }

  #entryOf(id: string): ResolvedTeam | null {
    const team = this.teams.get(id);
    return team === undefined ? null : { team, plugins: this.plugins };
  }

  async resolve(teams: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ResolvedTeam | null>> {
    if (this.#blocked !== undefined) {
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      await Promise.race([this.#blocked.promise, aborted]);
    }
    return new Map(teams.map((id) => [id, this.#entryOf(id)]));
  }

  stalenessSeconds(): number {
    return 0;
  }

  position() {
    return { epoch: "fake", seq: 1 };
  }
}

/** Waits until a condition holds. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 40_000,
): Promise<void> {
  await waitUntil(what, deadlineMs, async () => ((await condition()) ? true : undefined));
}

export interface SentRecord {
  readonly key?: string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Record<string, string>;
  readonly partition?: number;
}

/** One installation of its own on the real Kafka: topics, group, table; and routers in this process. */
export class Installation {
  readonly name = uniqueName("router");
  readonly responses = `${this.name}.responses`;
  readonly deadLetters = deadLetterTopic(this.responses);
  readonly deliveries = `${this.name}.deliveries`;
  readonly parked = `${this.name}.parked`;
  readonly prefix = `${this.name}.plugin.`;
  readonly group = `${this.name}-group`;
  readonly table = new FakeTable();
  readonly kafkaBrokers: string;
  readonly logger = createLogger("test", process.env.TEST_LOG_LEVEL ?? "silent");
  readonly #errors: string[] = [];
  readonly admin: Admin;
  readonly producer: SafeProducer;
  readonly #client: ReturnType<typeof createKafkaClient>;
  readonly #routers: Lifecycle[] = [];
  readonly #plugins = new Set<string>();

  readonly replication: number;

  constructor(kafkaBrokers = testEnvironment().kafkaBrokers, replication = 1) {
    this.replication = replication;
    const { error } = this.logger;
    this.logger.error = ((fields: object, text: string) => {
      this.#errors.push(text);
      error.call(this.logger, fields, text);
    }) as typeof error;
    this.kafkaBrokers = kafkaBrokers;
    this.#client = createKafkaClient(
      "router-test",
      { KAFKA_BROKERS: kafkaBrokers.split(","), KAFKA_TLS: false },
      this.logger,
    );
    this.admin = this.#client.admin();
    this.producer = this.#client.producer();
  }

  /** Whether an error was logged that says this. */
  logged(pattern: RegExp): boolean {
    return this.#errors.some((text) => pattern.test(text));
  }

  topicOf(plugin: string): string {
    return `${this.prefix}${plugin}`;
  }

  /** Creates the topics other parts own: events, deliveries, and each plugin's. */
  async open(
    plugins: readonly string[],
    options: { partitions?: number; messageBytesMax?: number } = {},
  ): Promise<this> {
    await Promise.all([this.admin.connect(), this.producer.connect()]);
    const { partitions = 3, messageBytesMax } = options;
    await this.createTopic(this.responses, partitions, messageBytesMax);
    await this.createTopic(this.deliveries, partitions);
    for (const plugin of plugins) await this.createTopic(this.topicOf(plugin), partitions);
    for (const plugin of plugins) this.#plugins.add(plugin);
    return this;
  }

  async createTopic(topic: string, partitions: number, messageBytesMax?: number): Promise<void> {
    await ensureTopics(this.admin, [
      {
        topic,
        partitions,
        replicationFactor: this.replication,
        retentionMs: 3_600_000,
        ...(messageBytesMax !== undefined && { messageBytesMax }),
      },
    ]);
  }

  environment(overrides: Record<string, string> = {}): Record<string, string> {
    return {
      PORT: "0",
      KAFKA_BROKERS: this.kafkaBrokers,
      REDIS_URL: "redis://127.0.0.1:1",
      MANAGER_TOKEN: "unused",
      RESPONSES_TOPIC: this.responses,
      PLUGIN_TOPIC_PREFIX: this.prefix,
      DELIVERIES_TOPIC: this.deliveries,
      ROUTER_GROUP_ID: this.group,
      ROUTER_PARKED_TOPIC: this.parked,
      ...overrides,
    };
  }

  /** Starts a router and, unless told otherwise, waits until it is ready. */
  async startRouter(
    overrides: Record<string, string> = {},
    ready = true,
  ): Promise<Router & { readonly lifecycle: Lifecycle }> {
    const settings = loadRouterSettings(this.environment(overrides));
    const registry = createRegistry({ defaultMetrics: false });
    const router = composeRouter(settings, { logger: this.logger, registry, table: this.table });
    const lifecycle = new Lifecycle(router.components, { logger: this.logger });
    this.#routers.push(lifecycle);
    await lifecycle.start();
    if (ready) await until("the router is ready", () => router.pipeline.problem() === null);
    return { ...router, lifecycle };
  }

  send(records: readonly SentRecord[], topic = this.responses): Promise<void> {
    return this.producer.send(
      topic,
      records.map(({ key = null, value, headers = {}, partition }) => ({
        key,
        value,
        headers,
        ...(partition !== undefined && { partition }),
      })),
    );
  }

  /** Reads a topic from its beginning until `enough`. */
  async read(topic: string, enough: number | ((records: readonly ReadRecord[]) => boolean)): Promise<ReadRecord[]> {
    const records: ReadRecord[] = [];
    const consumer = this.#client.consumer({ groupId: uniqueName("reader"), maxWaitTimeInMs: 100 });
    await consumer.connect();
    try {
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          records.push({ partition, message, offset: Number(message.offset) });
        },
      });
      const done = typeof enough === "number" ? () => records.length >= enough : () => enough(records);
      await until(`enough records in ${topic}`, done);
      return records;
    } finally {
      await consumer.disconnect();
    }
  }

  /** Waits until the group has committed everything that is in the topic of events. */
  async drained(): Promise<void> {
    await until("everything is committed", async () => (await this.uncommitted()) === 0);
  }

  /** Waits until every parked copy has gone back to its own topic. */
  async allReturned(): Promise<void> {
    await until("every parked copy is returned", async () => (await this.notReturned()) === 0);
  }

  uncommitted(): Promise<number> {
    return this.#behind(this.responses, this.group);
  }

  /** From the first parked copy that is not returned to the end of the parking topic. */
  notReturned(): Promise<number> {
    return this.#behind(this.parked, parkedGroup(this.group));
  }

  async #behind(topic: string, groupId: string): Promise<number> {
    const ends = await this.admin.fetchTopicOffsets(topic);
    const [committed] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    const of = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    return ends.reduce((sum, { partition, high }) => sum + Number(high) - Math.max(0, of.get(partition) ?? 0), 0);
  }

  async close(): Promise<void> {
    this.table.unblock();
    await Promise.all(this.#routers.map((router) => router.stop()));
    const topics = (await this.admin.listTopics()).filter((topic) => topic.startsWith(this.name));
    await this.admin.deleteTopics({ topics });
    await Promise.all([this.producer.disconnect(), this.admin.disconnect()]);
  }
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly message: KafkaMessage;
}

/** The ids of records' events. */
export function idsOf(records: readonly ReadRecord[]): (string | undefined)[] {
  return records.map((record) => header(record, "ce_id"));
}

/** A header as text. */
export function header(record: ReadRecord | undefined, name: string): string | undefined {
  const value = record?.message.headers?.[name];
  return (Array.isArray(value) ? value.at(-1) : value)?.toString();
}

let sequence = 0;
/** A binary CloudEvent of a response. */
export function binaryEvent(
  team: string,
  overrides: {
    id?: string;
    key?: string;
    revision?: number;
    value?: Buffer | string;
    headers?: Record<string, string>;
  } = {},
): SentRecord {
  sequence += 1;
  const id = overrides.id ?? `event-${sequence}`;
  const key = overrides.key ?? `response-${sequence}`;
  return {
    key,
    value: overrides.value ?? JSON.stringify({ answers: { q1: sequence } }),
    headers: {
      ce_specversion: "1.0",
      ce_id: id,
      ce_source: "core-test",
      ce_type: "onResponse",
      ce_teamid: team,
      ce_formid: "form-1",
      ce_subject: key,
      ce_revision: String(overrides.revision ?? 1),
      ce_time: new Date().toISOString(),
      ...overrides.headers,
    },
  };
}
