import { type DeliveryRecord, LANES, type Lane, laneGroup, pluginTopics } from "@plugboard/contract";
import { createKafkaClient, ensureTopics, headerReader, type KafkaMessage } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase, testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { Client } from "pg";
import type { z } from "zod";
import { type PluginDefinition, type ResourceMap, type RunningPlugin, startPlugin } from "../../src/index.ts";
import { schemaOf } from "../../src/store/connect-database.ts";
import { routedRecord, type TestEvent, testEvent } from "../../src/testing/event-fixtures.ts";
import { FakeManager } from "./fake-manager.ts";

const WAIT_MS = 40_000;

/** An event of a team; without response, revision or form unless given. */
export type StageEvent = TestEvent & { readonly team: string };

/** Everything a plugin under test stands on, of its own: topics, database, manager. */
export type PluginStage = Awaited<ReturnType<typeof openStage>>;

/**
 * @param plugin the id of the plugin under test.
 * @param partitions of the topic of each lane.
 * @param lanes whose topics are there; an older manager made the live one only.
 */
export async function openStage(plugin: string, partitions = 1, lanes: readonly Lane[] = LANES) {
  const { kafkaBrokers } = testEnvironment();
  const prefix = `${uniqueName("sdk")}.`;
  const topics = { ...pluginTopics(plugin, prefix), deliveries: `${prefix}deliveries`, commands: `${prefix}commands` };
  const database = await createTestDatabase();
  const manager = new FakeManager(plugin, prefix);
  await manager.start();
  const kafka = createKafkaClient(
    "sdk-test",
    { KAFKA_BROKERS: kafkaBrokers.split(","), KAFKA_TLS: false },
    createLogger("sdk-test", "silent"),
  );
  const admin = kafka.admin();
  const producer = kafka.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  const spec = { partitions: 1, replicationFactor: 1, retentionMs: 3_600_000 };
  const createLanes = (of: readonly Lane[]) =>
    ensureTopics(
      admin,
      of.map((lane) => ({ topic: topics[lane], ...spec, partitions })),
    );
  await createLanes(lanes);
  await ensureTopics(admin, [
    { topic: topics.deliveries, ...spec },
    { topic: topics.commands, ...spec },
  ]);
  const running: RunningPlugin[] = [];
  let events = 0;

  const environment = (extra: Record<string, string> = {}): Record<string, string> => ({
    PORT: "0",
    KAFKA_BROKERS: kafkaBrokers,
    DATABASE_URL: database.url,
    MANAGER_URL: manager.url,
    MANAGER_TOKEN: "a-plugin-token",
    PLUGIN_TOPIC_PREFIX: prefix,
    PLUGIN_GROUP_ID: `${prefix}group`,
    PLUGIN_SESSION_TIMEOUT_MS: "6000",
    PLUGIN_RETRY_DELAY_MS: "50",
    PLUGIN_RETRY_DELAY_MS_MAX: "200",
    PLUGIN_DRAIN_MS: "2000",
    DELIVERIES_TOPIC: topics.deliveries,
    CORE_COMMANDS_TOPIC: topics.commands,
    LOG_LEVEL: "silent",
    ...extra,
  });

  const records = async (topic: string): Promise<KafkaMessage[]> => {
    if (!(await admin.listTopics()).includes(topic)) return [];
    const offsets = await admin.fetchTopicOffsets(topic);
    const wanted = offsets.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
    return wanted === 0 ? [] : await readAll(topic, wanted);
  };
  const readAll = async (topic: string, wanted: number): Promise<KafkaMessage[]> => {
    const consumer = kafka.consumer({ groupId: uniqueName("reader"), maxWaitTimeInMs: 50 });
    const found: KafkaMessage[] = [];
    await consumer.connect();
    try {
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({ eachMessage: async ({ message }) => void found.push(message) });
      await waitUntil(`${wanted} records of ${topic} are read`, WAIT_MS, () =>
        found.length >= wanted ? true : undefined,
      );
    } finally {
      await consumer.disconnect();
    }
    return found;
  };

  return {
    plugin,
    prefix,
    topics,
    manager,
    database,
    admin,
    producer,
    environment,
    createLanes,
    /** Starts the plugin and waits until it consumes. */
    async start<Schema extends z.ZodObject, Resources extends ResourceMap>(
      definition: PluginDefinition<Schema, Resources>,
      extra: Record<string, string> = {},
    ) {
      const plugin = await startPlugin(definition, environment(extra));
      running.push(plugin);
      await plugin.ready(AbortSignal.timeout(WAIT_MS));
      return plugin;
    },
    /** Puts an event into the plugin's topic as the router does; answers its delivery id. */
    async route(event: StageEvent, lane: Lane = "live"): Promise<string> {
      const { id, record } = this.copyOf(event);
      await producer.send(topics[lane], [record]);
      return id;
    },
    /** The delivery id and the record that the router makes of an event. */
    copyOf(given: StageEvent) {
      events += 1;
      const event = testEvent({ id: `event-${events}`, form: null, response: null, revision: null, ...given });
      const { id, ...record } = routedRecord(plugin, event, `${manager.versionOf(event.team)}.1`);
      return { id, record };
    },
    records,
    header: (message: KafkaMessage, name: string) => headerReader(message.headers)(name),
    /** Outcomes published so far, in order. */
    async outcomes(id?: string): Promise<DeliveryRecord[]> {
      const all = (await records(topics.deliveries)).map(({ value }) => JSON.parse(String(value)) as DeliveryRecord);
      return id === undefined ? all : all.filter(({ deliveryId }) => deliveryId === id);
    },
    async query<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      try {
        await client.query(`SET search_path = ${schemaOf(plugin)}`);
        return (await client.query(sql, values)).rows as Row[];
      } finally {
        await client.end();
      }
    },
    /** The outcome a delivery was settled with, once it was. */
    async settled(id: string): Promise<string> {
      return await waitUntil(`delivery ${id} is settled`, WAIT_MS, async () => {
        const rows = await this.query<{ outcome: string }>(
          "SELECT outcome FROM deliveries WHERE id = $1 AND state = 'settled'",
          [id],
        );
        return rows[0]?.outcome;
      });
    },
    /** Waits until every record of a lane is committed. */
    async committed(lane: Lane = "live"): Promise<void> {
      await waitUntil("all offsets are committed", WAIT_MS, async () => {
        const groupId = laneGroup(`${prefix}group`, lane);
        const ends = await admin.fetchTopicOffsets(topics[lane]);
        const [group] = await admin.fetchOffsets({ groupId, topics: [topics[lane]] });
        const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, offset]));
        const all = ends.every(({ partition, high }) => high === "0" || committed.get(partition) === high);
        return all ? true : undefined;
      });
    },
    async close(): Promise<void> {
      await Promise.all(running.map((one) => one.stop()));
      await manager.stop();
      const mine = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
      await admin.deleteTopics({ topics: mine });
      await Promise.all([admin.disconnect(), producer.disconnect()]);
      await database.drop();
    },
  };
}
