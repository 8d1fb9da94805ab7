import { createKafkaClient, headerReader, type KafkaMessage } from "@plugboard/kafka";
import { createLogger, loadSettings } from "@plugboard/runtime";
import { createTestDatabase, testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { type CoreSettings, composeCore } from "../../src/compose.ts";
import { coreSettings } from "../../src/settings.ts";

const logger = createLogger("core-test", "silent");

/** Names and addresses of one test file's own core: a database and topics that nobody else uses. */
export async function coreEnvironment(overrides: Record<string, string> = {}) {
  const database = await createTestDatabase();
  const name = uniqueName("core");
  const environment: Record<string, string> = {
    PORT: "0",
    DATABASE_URL: database.url,
    KAFKA_BROKERS: testEnvironment().kafkaBrokers,
    RESPONSES_TOPIC: `${name}.responses`,
    CORE_COMMANDS_TOPIC: `${name}.commands`,
    COMMANDS_GROUP_ID: name,
    RESPONSES_PARTITIONS: "3",
    MANAGER_URL: "http://127.0.0.1:1",
    MANAGER_TOKEN: "token",
    LOG_LEVEL: "silent",
    ...overrides,
  };
  const settings: CoreSettings = loadSettings("core", coreSettings, environment);
  const cleanUp = async () => {
    await database.drop();
    const admin = createKafkaClient("clean-up", settings, logger).admin();
    await admin.connect();
    const own = (await admin.listTopics()).filter((topic) => topic.startsWith(name));
    await admin.deleteTopics({ topics: own });
    await admin.disconnect();
  };
  return { environment, settings, cleanUp };
}

export interface Core {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** Runs the core in this process, on the real database and Kafka. */
export async function startCore(settings: CoreSettings): Promise<Core> {
  const core = composeCore(settings, logger);
  await core.lifecycle.start();
  return { url: `http://127.0.0.1:${core.port}`, stop: () => core.lifecycle.stop() };
}

// biome-ignore lint/suspicious/noExplicitAny: answers are read by the assertions that follow.
export type Json = any;

/** One JSON call; `body` undefined for none. */
export async function call(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Json; headers: Headers }> {
  const response = await fetch(url, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

/** A form with three questions; `savings` and `income` are numbers. */
export const surveyForm = {
  team: "team-1",
  title: "Household survey",
  questions: [
    { id: "savings", type: "number", text: "Monthly savings" },
    { id: "income", type: "number", required: true },
    { id: "name" },
  ],
};

/** A record as it was read. */
export interface ReadRecord {
  readonly partition: number;
  readonly key: string | null;
  readonly value: Json;
  readonly text: string;
  readonly header: (name: string) => string | undefined;
}

/** Reads a topic from its beginning; `records` grows while it runs. */
export async function readTopic(settings: CoreSettings, topic: string) {
  const consumer = createKafkaClient("reader", settings, logger).consumer({
    groupId: uniqueName("reader"),
    maxWaitTimeInMs: 200,
  });
  const records: ReadRecord[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => void records.push(recordOf(partition, message)),
  });
  return {
    records,
    waitFor: (count: number, deadlineMs = 30_000) =>
      waitUntil(`${count} records in ${topic}, ${records.length} are`, deadlineMs, () =>
        records.length >= count ? records : undefined,
      ),
    stop: () => consumer.disconnect(),
  };
}

function recordOf(partition: number, message: KafkaMessage): ReadRecord {
  const text = message.value?.toString() ?? "";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  return { partition, key: message.key?.toString() ?? null, value, text, header: headerReader(message.headers) };
}

/** Sends records to a topic through the safe producer. */
export async function sendTo(
  settings: CoreSettings,
  topic: string,
  records: readonly { key: string; value: string }[],
): Promise<void> {
  const producer = createKafkaClient("sender", settings, logger).producer();
  await producer.connect();
  await producer.send(topic, records);
  await producer.disconnect();
}
