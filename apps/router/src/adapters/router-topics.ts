import { Admin, findErrorBy } from "@platformatic/kafka";
import { DERIVED_HEADROOM_BYTES, deadLetterTopic, RECORD_BYTES_MAX } from "@plugboard/contract";
import type { KafkaSettings, Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { connectionOptions, whyNotReached } from "./kafka-connection.ts";

const DAY_MS = 86_400_000;
const DEAD_LETTERS_KEPT_MS = 30 * DAY_MS;
const PARKED_KEPT_MS = 30 * DAY_MS;
/** Parked copies keep their key's order, and may be many. */
const PARKED_PARTITIONS = 6;
/** As many as there are brokers, but no more than this. */
const REPLICAS_MAX = 3;

class CreationFailed extends Error {}

/**
 * Waits until the topic of events exists (its owner, the core, creates it), and creates the router's own topics where
 * they are missing, so replicated that no acknowledged record is lost with one broker.
 * @throws the signal's reason when aborted.
 */
export async function prepareTopics(
  kafka: KafkaSettings,
  topics: { readonly responses: string; readonly parked: string },
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const admin = new Admin({ ...connectionOptions(kafka, "plugboard-router-admin"), retries: 0 });
  admin.on("error", () => {});
  const policy = retry(handleAll, {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    backoff: new ExponentialBackoff({ initialDelay: 200, maxDelay: 3_000 }),
  });
  try {
    await policy.execute(async () => {
      try {
        await prepareOnce(admin, topics, logger);
      } catch (error) {
        signal.throwIfAborted();
        const why = whyNotReached(error, kafka);
        const reason = error instanceof CreationFailed ? `${error.message}: ${why}` : why;
        logger.warn({ reason, brokers: kafka.KAFKA_BROKERS }, "not ready to route: trying again");
        logger.debug({ error }, "not ready to route");
        throw error;
      }
    }, signal);
  } finally {
    await admin.close();
  }
}

async function prepareOnce(
  admin: Admin,
  { responses, parked }: { readonly responses: string; readonly parked: string },
  logger: Logger,
): Promise<void> {
  const existing = new Set(await admin.listTopics());
  // Brokers with ACLs leave out what the asker has no right to.
  if (!existing.has(responses))
    throw new Error(
      `the topic ${responses} does not exist yet, or may not be read: the core creates it (RESPONSES_TOPIC names it)`,
    );
  const deadLetters = deadLetterTopic(responses);
  if (!existing.has(deadLetters)) await create(admin, deadLetters, 1, DEAD_LETTERS_KEPT_MS, logger);
  if (!existing.has(parked)) await create(admin, parked, PARKED_PARTITIONS, PARKED_KEPT_MS, logger);
}

async function create(admin: Admin, topic: string, partitions: number, keptMs: number, logger: Logger): Promise<void> {
  try {
    const { brokers } = await admin.metadata({ topics: [] });
    const replicas = Math.min(REPLICAS_MAX, brokers.size);
    await admin.createTopics({
      topics: [topic],
      partitions,
      replicas,
      configs: [
        ...(replicas > 1 ? [{ name: "min.insync.replicas", value: "2" }] : []),
        { name: "retention.ms", value: String(keptMs) },
        { name: "max.message.bytes", value: String(RECORD_BYTES_MAX + DERIVED_HEADROOM_BYTES) },
      ],
    });
    logger.info({ topic, partitions }, "topic created");
  } catch (error) {
    // Another router was first.
    if (findErrorBy(error as Error, "apiId", "TOPIC_ALREADY_EXISTS") === null)
      throw new CreationFailed(`the topic ${topic} cannot be created`, { cause: error });
  }
}
