import {
  type Broker,
  type Connection,
  findErrorBy,
  type Producer,
  produceV11,
  ResponseError,
  Writer,
} from "@platformatic/kafka";
import { type KafkaSettings, withDeadline } from "@plugboard/runtime";
import { BATCH_HEAD_BYTES } from "../domain/batch-format.ts";
import type { OutgoingRecord, RouterMetrics } from "../domain/ports.ts";
import { type Part, ROUND_BYTES_MAX, type Round } from "../domain/produce-round.ts";
import { ClientProducer } from "./client-producer.ts";
import { connectionOptions } from "./kafka-connection.ts";
import { type PartAnswer, readAnswer } from "./produce-answer.ts";
import { encodeRecordBatch } from "./record-batch.ts";
import { ReusedMemory } from "./reused-memory.ts";
import type { TopicDirectory } from "./topic-directory.ts";

/** Attempts of one request whose answer did not come: the broker recognises by its sequence what it has written. */
const ATTEMPTS_MAX = 3;
const RETRY_DELAY_MS = 200;
const PRODUCE_REQUEST_TIMEOUT_MS = 10_000;
/** Longest wait for the brokers' answer to one send, retries included. */
const SEND_DEADLINE_MS = 20_000;
/** How long the brokers themselves may wait for the replicas in sync. */
const ACKS_TIMEOUT_MS = 10_000;
/** After this, the broker aborts a transaction by itself: the longest that partitions of a dead instance wait. */
const TRANSACTION_TIMEOUT_MS = 10_000;
const CONCURRENT_RETRY_DELAY_MS = 5;
const CLOSE_DEADLINE_MS = 2_000;
/** Metadata are renewed by looks (topic-directory); the client's own 5 s would ask for all topics at once. */
const METADATA_AGE_MS = 300_000;
const ALL_REPLICAS = -1;
const PRODUCE = 0;
/** Brokers since 3.7 answer it; the oldest supported (docs/decisions/0072) is 4.0. */
const PRODUCE_VERSION = 11;

interface Carried {
  readonly record: OutgoingRecord;
}

interface Identity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** A part of a round with its batch, and the broker that leads its partition. */
interface Batch<T extends Carried> {
  readonly part: Part<T>;
  readonly bytes: Buffer;
  readonly leader: number;
}

/**
 * Sends rounds of records, idempotently: one request per broker, one batch per partition, encoded here and carried by the
 * client's connections. Sends of different topics may overlap; those of one topic may not, or its batches would overtake
 * each other.
 */
export class BatchProducer {
  /** For metadata, and the calls around transactions. */
  readonly client: Producer;
  readonly #transactionalId: string | undefined;
  readonly #metrics: RouterMetrics;
  readonly #memory = new ReusedMemory(ROUND_BYTES_MAX * 2);
  /** The next sequence of each `topic/partition`, under the identity below. */
  readonly #sequences = new Map<string, number>();
  #identity: Identity | undefined;

  /** @param clientId by which brokers tell its requests from others, in logs and quotas. */
  constructor(
    settings: KafkaSettings,
    metrics: RouterMetrics,
    transactionalId?: string,
    clientId = "plugboard-router",
  ) {
    this.client = createClient(settings, clientId, transactionalId);
    this.#metrics = metrics;
    this.#transactionalId = transactionalId;
  }

  /**
   * Sends a round and says what became of each part, in the round's order; never throws.
   * @param directory knows every topic of the round: they were looked up to place its records.
   */
  async send<T extends Carried>(round: Round<T>, directory: TopicDirectory): Promise<PartAnswer[]> {
    const started = performance.now();
    const answers = await this.#answers(round, directory);
    const failed = answers.some(({ kind }) => kind !== "acknowledged");
    if (failed) {
      this.#metrics.produceFailed();
      // What was not written leaves a hole in its partition's sequence, which a new identity does not have.
      if (this.#transactionalId === undefined) this.#identity = undefined;
    } else this.#metrics.produced((performance.now() - started) / 1_000, round.records, round.bytes);
    return answers;
  }

  async #answers<T extends Carried>(round: Round<T>, directory: TopicDirectory): Promise<PartAnswer[]> {
    try {
      const answers = await withDeadline(this.#send(round, directory), SEND_DEADLINE_MS, "a send was not answered");
      return answers as PartAnswer[];
    } catch (error) {
      return round.parts.map(() => ({ kind: "unknown", error: error as Error }));
    }
  }

  /** Closes it for good; requests it still has under way are cut off. */
  async discard(): Promise<void> {
    await withDeadline(this.client.close(true), CLOSE_DEADLINE_MS, "the producer did not close").catch(() => {});
  }

  async #send<T extends Carried>(round: Round<T>, directory: TopicDirectory): Promise<PartAnswer[]> {
    const identity = await this.#identify();
    const memory = this.#memory.lend(round.bytes + round.parts.length * BATCH_HEAD_BYTES);
    try {
      return await this.#sendEncoded(round, directory, identity, memory.take);
    } finally {
      memory.end();
    }
  }

  async #sendEncoded<T extends Carried>(
    { parts }: Round<T>,
    directory: TopicDirectory,
    identity: Identity,
    allocate: (bytes: number) => Buffer,
  ): Promise<PartAnswer[]> {
    const now = Date.now();
    const byLeader = new Map<number, Batch<T>[]>();
    for (const part of parts) {
      const leader = directory.leader(part.topic, part.partition);
      const bytes = encodeRecordBatch(part.items, { ...identity, ...this.#sequence(part) }, now, allocate);
      const ofLeader = byLeader.get(leader);
      if (ofLeader === undefined) byLeader.set(leader, [{ part, bytes, leader }]);
      else ofLeader.push({ part, bytes, leader });
    }
    const answers = new Map<Part<T>, PartAnswer>();
    await Promise.all(
      [...byLeader].map(async ([leader, batches]) => {
        const response = await this.#request(directory.broker(leader), batches);
        for (const { part } of batches) answers.set(part, readAnswer(response, part.topic, part.partition));
      }),
    );
    return parts.map((part) => answers.get(part) as PartAnswer);
  }

  /** Who this producer is to the brokers. In a transaction the client has asked; else it is asked for when needed. */
  async #identify(): Promise<Identity> {
    if (this.#transactionalId === undefined) {
      if (this.#identity === undefined) {
        const { producerId, producerEpoch } = await this.client.initIdempotentProducer({});
        this.#sequences.clear();
        this.#identity = { producerId, producerEpoch };
      }
      return this.#identity;
    }
    const { producerId, producerEpoch } = this.client;
    if (producerId === undefined || producerEpoch === undefined) throw new Error("no transaction has begun");
    if (this.#identity?.producerId !== producerId || this.#identity.producerEpoch !== producerEpoch) {
      this.#sequences.clear();
      this.#identity = { producerId, producerEpoch };
    }
    return this.#identity;
  }

  #sequence({ topic, partition, items }: Part<Carried>): { firstSequence: number; transactional: boolean } {
    const key = `${topic}/${partition}`;
    const firstSequence = this.#sequences.get(key) ?? 0;
    // 31 bits, after which it begins again at 0.
    this.#sequences.set(key, (firstSequence + items.length) & 0x7fffffff);
    return { firstSequence, transactional: this.#transactionalId !== undefined };
  }

  /** One request to one broker; tried again when no answer came. @returns the error when none did. */
  async #request(broker: Broker | undefined, batches: readonly Batch<Carried>[]): Promise<ProduceResponse | Error> {
    if (broker === undefined) return new Error("the partition's leader is not among the brokers");
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await produce(await this.client.connections.get(broker), this.#transactionalId, batches);
      } catch (error) {
        if (attempt === ATTEMPTS_MAX) return error as Error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
      }
    }
  }
}

type ProduceResponse = produceV11.ProduceResponse;

function produce(
  connection: Connection,
  transactionalId: string | undefined,
  batches: readonly Batch<Carried>[],
): Promise<ProduceResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<ProduceResponse>();
  connection.send(
    PRODUCE,
    PRODUCE_VERSION,
    () => produceRequest(transactionalId, batches),
    readResponse,
    true,
    true,
    (error, response) => (error ? reject(error) : resolve(response as ProduceResponse)),
  );
  return promise;
}

/** The client makes an error of an answer that has one in it; here each partition's is looked at. */
const readResponse: typeof produceV11.parseResponse = (...response) => {
  try {
    return produceV11.parseResponse(...response);
  } catch (error) {
    if (error instanceof ResponseError) return error.response as ProduceResponse;
    throw error;
  }
};

/** transactional_id acks timeout_ms [topic [partition records]], in Kafka's compact form. */
function produceRequest(transactionalId: string | undefined, batches: readonly Batch<Carried>[]): Writer {
  const byTopic = Map.groupBy(batches, ({ part }) => part.topic);
  return Writer.create()
    .appendString(transactionalId)
    .appendInt16(ALL_REPLICAS)
    .appendInt32(ACKS_TIMEOUT_MS)
    .appendArray([...byTopic], (writer, [topic, ofTopic]) => {
      writer.appendString(topic).appendArray(ofTopic, (inner, { part, bytes }) => {
        inner
          .appendInt32(part.partition)
          .appendUnsignedVarInt(bytes.length + 1)
          .append(bytes);
      });
    })
    .appendTaggedFields();
}

/**
 * The client as it is needed here. For transactions: one begins while the broker still ends the one before, which it says
 * by an error that is retried; with the usual pause, every transaction would take that long. So the pause is short and
 * the tries many; the sink's own deadline bounds the whole.
 */
function createClient(settings: KafkaSettings, clientId: string, transactionalId: string | undefined): Producer {
  const client = new ClientProducer({
    ...connectionOptions(settings, clientId),
    requestTimeout: PRODUCE_REQUEST_TIMEOUT_MS,
    idempotent: true,
    // The defaults (0 and 0) are taken for those of an earlier producer, and get fenced.
    producerId: -1n,
    producerEpoch: -1,
    retries: 2,
    retryDelay: RETRY_DELAY_MS,
    metadataMaxAge: METADATA_AGE_MS,
    autocreateTopics: false,
    ...(transactionalId !== undefined && {
      transactionalId,
      // The client takes its request time-out for the transaction's as well.
      timeout: TRANSACTION_TIMEOUT_MS,
      retries: TRANSACTION_TIMEOUT_MS / CONCURRENT_RETRY_DELAY_MS,
      retryDelay: (_producer, _operation, _attempt, _retries, error) =>
        findErrorBy(error, "apiId", "CONCURRENT_TRANSACTIONS") === null ? RETRY_DELAY_MS : CONCURRENT_RETRY_DELAY_MS,
    }),
  });
  // Errors reach whoever made the call; without a listener, one of a connection would end the process.
  client.on("error", () => {});
  return client;
}
