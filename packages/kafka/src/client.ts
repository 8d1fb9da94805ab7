import { type KafkaSettings, kafkaSasl, kafkaTls, type Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleWhen, retry } from "cockatiel";
import {
  type Admin,
  type Consumer,
  type ConsumerConfig,
  Kafka,
  type KafkaConfig,
  type KafkaJSProtocolError,
  logLevel,
  type SASLOptions,
} from "kafkajs";
import { readAllCodecs } from "./compression-codecs.ts";
import { hideAbortedRecords } from "./hide-aborted-records.ts";
import { SafeProducer, type SafeProducerOptions } from "./safe-producer.ts";
import { type Asked, whyRefused } from "./why-refused.ts";

export type { Admin, Consumer, EachBatchPayload, IHeaders, KafkaMessage } from "kafkajs";

/**
 * kafkajs as this project uses it. Consumers and admins are kafkajs's own; its producer is not to be had, because it
 * loses acknowledged records on a leader change (docs/decisions/0001): {@link SafeProducer} stands in its place.
 */
export interface KafkaClient {
  /** @param config kafkajs's; `groupId` is required. */
  consumer(config: ConsumerConfig): Consumer;
  admin(): Admin;
  producer(options?: SafeProducerOptions): SafeProducer;
  /** Why Kafka did not do what it was asked for, in one line that names what is to be corrected. */
  why(error: unknown, asked?: Asked): string;
}

/** Deadline of one request to a broker, milliseconds. */
const REQUEST_TIMEOUT_MS = 15_000;
const CONNECTION_TIMEOUT_MS = 3_000;

/** @param clientId shown in the brokers' logs and quotas: the service's name. */
export function createKafkaClient(clientId: string, settings: KafkaSettings, logger: Logger): KafkaClient {
  silenceNegativeTimeouts();
  readAllCodecs();
  hideAbortedRecords();
  const sasl = kafkaSasl(settings);
  const config: KafkaConfig = {
    clientId,
    brokers: [...settings.KAFKA_BROKERS],
    ssl: kafkaTls(settings) ?? false,
    ...(sasl !== null && { sasl: sasl as SASLOptions }),
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 8 },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => {
      const { message, timestamp: _, logger: __, ...fields } = entry.log;
      logger[entry.level === logLevel.ERROR ? "warn" : "debug"]({ kafka: fields }, message);
    },
  };
  const kafka = new Kafka(config);
  const why = (error: unknown, asked?: Asked) => whyRefused(error, settings, asked);
  return {
    consumer: (consumerConfig) => kafka.consumer(consumerConfig),
    admin: () => withReason(withFreshLeaders(kafka.admin(), kafka), why),
    producer: (options) => new SafeProducer(kafka, { why, ...options }),
    why,
  };
}

/** Whoever fails to connect is told what to correct: kafkajs says what happened, and not which setting it comes from. */
function withReason(admin: Admin, why: (error: unknown) => string): Admin {
  const connect = async () => {
    try {
      await admin.connect();
    } catch (error) {
      throw new Error(why(error), { cause: error });
    }
  };
  return { ...admin, connect };
}

/** How often a partition's new leader is looked for: about 20 s in all, for a busy cluster takes more than ten to elect one. */
const LEADER_ATTEMPTS_MAX = 24;

const untilLed = retry(
  handleWhen((error) => MOVED.has((error as KafkaJSProtocolError).type)),
  { maxAttempts: LEADER_ATTEMPTS_MAX, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 1_000 }) },
);

/** What a broker answers that does not lead the partition, or not yet. */
const MOVED: ReadonlySet<string> = new Set([
  "NOT_LEADER_FOR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "REPLICA_NOT_AVAILABLE",
]);

/**
 * Asks the leaders of now for a topic's offsets: kafkajs asks those it once heard of for five minutes, and gives up
 * when one of them leads no longer, or does not know yet that it does.
 */
function withFreshLeaders(admin: Admin, kafka: Kafka): Admin {
  const fetchTopicOffsets: Admin["fetchTopicOffsets"] = (topic) =>
    untilLed.execute(async ({ attempt }) => {
      if (attempt === 0) return await admin.fetchTopicOffsets(topic);
      const fresh = kafka.admin();
      try {
        await fresh.connect();
        return await fresh.fetchTopicOffsets(topic);
      } finally {
        await fresh.disconnect();
      }
    });
  return { ...admin, fetchTopicOffsets };
}

let silenced = false;
/**
 * kafkajs 2.2.4 sets negative timers on every connection, which Node 24 warns of each time. Harmless, known and
 * unmaintained upstream; only this one warning is left out.
 */
function silenceNegativeTimeouts(): void {
  if (silenced) return;
  silenced = true;
  const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = ((...args: unknown[]) => {
    if (args[1] !== "TimeoutNegativeWarning") emitWarning(...args);
  }) as typeof process.emitWarning;
}
