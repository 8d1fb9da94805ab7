import {
  compatibilityPartitioner,
  findErrorBy,
  type MessageToProduce,
  Producer,
  type ProducerOptions,
} from "@platformatic/kafka";
import { type KafkaSettings, withDeadline } from "@plugboard/runtime";
import type { OutgoingRecord, RouterMetrics } from "../domain/ports.ts";
import type { Placed } from "../domain/produce-round.ts";
import { connectionOptions } from "./kafka-connection.ts";
import { answerOfFailure, answerOfSuccess, type ProduceAnswer } from "./produce-answer.ts";

/**
 * Attempts of one send inside the client: enough for a lost connection. More make an idempotent producer that the
 * brokers no longer know retry without hope; above this, what remains is decided here (2 is the least the client takes:
 * it turns 0 and 1 into "for ever").
 */
const RETRIES = 2;
const RETRY_DELAY_MS = 200;
const PRODUCE_REQUEST_TIMEOUT_MS = 10_000;
/** Longest wait for the brokers' answer to one send, retries included. */
const SEND_DEADLINE_MS = 20_000;
/** After this, the broker aborts a transaction by itself: the longest that partitions of a dead instance wait. */
const TRANSACTION_TIMEOUT_MS = 10_000;
const CONCURRENT_RETRY_DELAY_MS = 5;
const CLOSE_DEADLINE_MS = 2_000;
/** Metadata are renewed by looks (topic-directory) and after errors; the client's own 5 s would ask for all topics at once. */
const METADATA_AGE_MS = 300_000;

/** An idempotent producer: what it retries by itself is written once and in order. */
export function createProducer(
  settings: KafkaSettings,
  overrides: Partial<ProducerOptions<Buffer, Buffer, Buffer, Buffer>> = {},
): Producer {
  const producer = new Producer({
    ...connectionOptions(settings, "plugboard-router"),
    requestTimeout: PRODUCE_REQUEST_TIMEOUT_MS,
    idempotent: true,
    // The defaults (0 and 0) are taken for those of an earlier producer, and get fenced.
    producerId: -1n,
    producerEpoch: -1,
    retries: RETRIES,
    retryDelay: RETRY_DELAY_MS,
    // The client would send everything to the first record's new leader; what is refused is sent again from here.
    repeatOnStaleMetadata: false,
    metadataMaxAge: METADATA_AGE_MS,
    autocreateTopics: false,
    ...overrides,
  });
  // Errors reach whoever made the call; without a listener, one of a connection would end the process.
  producer.on("error", () => {});
  return producer;
}

/**
 * A producer for transactions. A transaction begins while the broker still ends the one before, which it says by an error
 * that is retried: with the usual pause, every transaction would take that long. So the pause is short and the tries
 * many; the sink's own deadline bounds the whole.
 */
export function createTransactionalProducer(settings: KafkaSettings, transactionalId: string): Producer {
  return createProducer(settings, {
    transactionalId,
    // The client takes its request time-out for the transaction's as well.
    timeout: TRANSACTION_TIMEOUT_MS,
    retries: TRANSACTION_TIMEOUT_MS / CONCURRENT_RETRY_DELAY_MS,
    retryDelay: (_producer, _operation, _attempt, _retries, error) =>
      findErrorBy(error, "apiId", "CONCURRENT_TRANSACTIONS") === null ? RETRY_DELAY_MS : CONCURRENT_RETRY_DELAY_MS,
  });
}

/** Closes a producer for good; requests it still has under way are cut off. */
export async function discard(producer: Producer): Promise<void> {
  await withDeadline(producer.close(true), CLOSE_DEADLINE_MS, "the producer did not close").catch(() => {});
}

/** Where a record goes: by its key as Java's clients do (murmur2), without a key by where it came from. */
export function partitionOf(record: OutgoingRecord, partitions: number): number {
  if (record.key === null) return record.originPartition % partitions;
  return compatibilityPartitioner(UNUSED_MESSAGE, record.key) % partitions;
}
const UNUSED_MESSAGE = { topic: "", value: Buffer.alloc(0) };

/** Sends a round and says what became of each partition; never throws. */
export async function sendRound<T extends { readonly record: OutgoingRecord }>(
  producer: Producer,
  round: readonly Placed<T>[],
  bytes: number,
  metrics: RouterMetrics,
  send: (messages: MessageToProduce[]) => ReturnType<Producer["send"]> = (messages) =>
    producer.send({ messages, acks: -1 }),
): Promise<ProduceAnswer & { readonly error: unknown }> {
  const started = performance.now();
  try {
    const result = await withDeadline(send(round.map(toMessage)), SEND_DEADLINE_MS, "a send was not answered");
    metrics.produced((performance.now() - started) / 1_000, round.length, bytes);
    return { ...answerOfSuccess(result ?? {}), error: null };
  } catch (error) {
    metrics.produceFailed();
    producer.clearMetadata();
    return { ...answerOfFailure(error), error };
  }
}

function toMessage({ item: { record }, partition }: Placed<{ readonly record: OutgoingRecord }>): MessageToProduce {
  const { topic, key, value, headers } = record;
  // The client's types leave out null, which it writes as it should: no key, a tombstone, a header without a value.
  return { topic, partition, key, value, headers } as unknown as MessageToProduce;
}
