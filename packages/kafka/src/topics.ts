import { DERIVED_HEADROOM_BYTES, RECORD_BYTES_MAX } from "@plugboard/contract";
import { ConstantBackoff, handleWhen, retry } from "cockatiel";
import type { Admin, KafkaJSProtocolError } from "kafkajs";

/** A topic as it should be. */
export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  /** Unset: as many as there are brokers, at most {@link REPLICAS_MAX}. */
  readonly replicationFactor?: number | undefined;
  /** How long records are kept, milliseconds. */
  readonly retentionMs: number;
  /** Largest record batch, bytes. */
  readonly messageBytesMax?: number;
}

/** Replicas of a topic of which nobody says how many. */
const REPLICAS_MAX = 3;

export const DAY_MS = 86_400_000;

/** A topic derived from `responses` takes its largest record plus the headers added on the way. */
export const DERIVED_MESSAGE_BYTES_MAX = RECORD_BYTES_MAX + DERIVED_HEADROOM_BYTES;

/** How often, and for how long, the brokers are asked whether they know a new topic's leaders: up to 30 s. */
const READY_ATTEMPTS_MAX = 300;
const READY_INTERVAL_MS = 100;

const untilReady = retry(
  handleWhen((error) => error instanceof NotReady || RETRIABLE.has((error as KafkaJSProtocolError).type)),
  { maxAttempts: READY_ATTEMPTS_MAX, backoff: new ConstantBackoff(READY_INTERVAL_MS) },
);

/** A broker answers so as long as the news of the topic, or of its leaders, has not reached it. */
const RETRIABLE: ReadonlySet<string> = new Set(["UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"]);

class NotReady extends Error {}

/**
 * Creates the topics that do not exist yet, and waits until all of them can be written to; harmless when two do it at
 * once. Existing ones are left as they are. With several replicas two must have a record before it is acknowledged.
 * @returns the names of those it created.
 */
export async function ensureTopics(admin: Admin, specs: readonly TopicSpec[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = specs.filter(({ topic }) => !existing.has(topic));
  const created = await Promise.all(missing.map(async (spec) => ((await create(admin, spec)) ? [spec.topic] : [])));
  await topicsReady(admin, [...new Set(specs.map(({ topic }) => topic))]);
  return created.flat();
}

/**
 * Waits until every partition of these topics has a leader. kafkajs's own `waitForLeaders` fails when the broker it
 * asks has not heard of the topic yet, which a busy one takes a while to.
 */
export async function topicsReady(admin: Admin, topics: readonly string[]): Promise<void> {
  if (topics.length === 0) return;
  await untilReady.execute(async () => {
    const { topics: known } = await admin.fetchTopicMetadata({ topics: [...topics] });
    const led = known.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0));
    if (known.length < topics.length || !led)
      throw new NotReady(`${topics.join(", ")}: not all partitions have leaders`);
  });
}

/** @throws for brokers that refuse, with the topic: kafkajs says only that there were errors. */
async function create(admin: Admin, spec: TopicSpec): Promise<boolean> {
  try {
    return await createOnce(admin, spec);
  } catch (error) {
    const refused = (error as { errors?: readonly Error[] }).errors?.[0];
    throw refused === undefined
      ? error
      : Object.assign(refused, { message: `the topic ${spec.topic} cannot be created: ${refused.message}` });
  }
}

async function createOnce(admin: Admin, spec: TopicSpec): Promise<boolean> {
  const replicationFactor =
    spec.replicationFactor ?? Math.min(REPLICAS_MAX, (await admin.describeCluster()).brokers.length);
  return await admin.createTopics({
    waitForLeaders: false,
    timeout: 10_000,
    topics: [
      {
        topic: spec.topic,
        numPartitions: spec.partitions,
        replicationFactor,
        configEntries: [
          ...(replicationFactor > 1 ? [{ name: "min.insync.replicas", value: "2" }] : []),
          { name: "retention.ms", value: String(spec.retentionMs) },
          { name: "max.message.bytes", value: String(spec.messageBytesMax ?? DERIVED_MESSAGE_BYTES_MAX) },
        ],
      },
    ],
  });
}
