import { Failure } from "@plugboard/contract";
import { type Admin, type Kafka, type Message, Partitioners, type PartitionMetadata, type Producer } from "kafkajs";

/** A record to send. `partition` overrides the key's. */
export interface OutgoingRecord {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Record<string, Buffer | string | (Buffer | string)[] | undefined>;
  readonly partition?: number;
}

export interface SafeProducerOptions {
  /** Records and bytes per request; a request above the broker's `max.message.bytes` is refused whole. */
  readonly chunkRecordsMax?: number;
  readonly chunkBytesMax?: number;
  /** Bytes accepted and not yet acknowledged; `send` waits beyond it (back-pressure). */
  readonly pendingBytesMax?: number;
}

/** kafkajs groups a request's records in quadratic time: 500 keeps it linear enough (measured-facts: 50 k/s). */
const CHUNK_RECORDS_MAX = 500;
/** Under Kafka's default 1 MiB per batch, with room for the batch's own overhead. */
const CHUNK_BYTES_MAX = 900 * 1024;
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Overhead assumed per record beside key, value and headers. */
const RECORD_OVERHEAD_BYTES = 70;
/** How long partition counts are trusted; a key's partition may differ for this long after partitions were added. */
const METADATA_AGE_MS_MAX = 30_000;
/** The broker's own time to gather acks, milliseconds. */
const ACK_TIMEOUT_MS = 10_000;

/**
 * A kafkajs producer that does not lose acknowledged records.
 *
 * kafkajs 2.2.4 splits one `send` by broker and, after a leader change, never re-sends the partitions that moved to a
 * broker that had answered already, yet resolves. So here every request holds records of exactly one partition, one
 * request is under way per partition (chunks cannot overtake each other), and the answer must name that partition.
 *
 * At-least-once: a request whose answer was lost is sent again. acks=all always.
 */
export class SafeProducer {
  readonly #producer: Producer;
  readonly #admin: Admin;
  readonly #partitioner = Partitioners.DefaultPartitioner();
  readonly #counts = new Map<string, { readonly metadata: PartitionMetadata[]; readonly at: number }>();
  /** The last request under way per `topic/partition`: the next one waits for it. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #chunkRecordsMax: number;
  readonly #chunkBytesMax: number;
  readonly #pendingBytesMax: number;
  #pendingBytes = 0;
  #waiting: (() => void)[] = [];

  constructor(kafka: Kafka, options: SafeProducerOptions = {}) {
    this.#chunkRecordsMax = options.chunkRecordsMax ?? CHUNK_RECORDS_MAX;
    this.#chunkBytesMax = options.chunkBytesMax ?? CHUNK_BYTES_MAX;
    this.#pendingBytesMax = options.pendingBytesMax ?? PENDING_BYTES_MAX;
    // Records arrive here with their partition; kafkajs's own partitioner is never asked.
    this.#producer = kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    this.#admin = kafka.admin();
  }

  async connect(): Promise<void> {
    await Promise.all([this.#producer.connect(), this.#admin.connect()]);
  }

  /** Waits for what is under way, then disconnects. */
  async disconnect(): Promise<void> {
    await Promise.allSettled(this.#tails.values());
    await Promise.all([this.#producer.disconnect(), this.#admin.disconnect()]);
  }

  /**
   * Sends records to one topic; resolves when all replicas in sync have every one.
   * Records of one key keep their order, also across calls that overlap.
   * @throws Failure `produce-incomplete`: some records may be written; send all of them again.
   */
  async send(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return;
    const bytes = records.reduce((sum, record) => sum + bytesOf(record), 0);
    while (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#pendingBytesMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#pendingBytes += bytes;
    try {
      const byPartition = await this.#partition(topic, records);
      const results = await Promise.allSettled(
        [...byPartition].map(([partition, group]) => this.#inTurn(topic, partition, group)),
      );
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) {
        this.#counts.delete(topic);
        throw incomplete(topic, failed.reason);
      }
    } finally {
      this.#pendingBytes -= bytes;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  async #partition(topic: string, records: readonly OutgoingRecord[]): Promise<Map<number, Message[]>> {
    const partitionMetadata = await this.#metadata(topic);
    const groups = new Map<number, Message[]>();
    for (const record of records) {
      const message = {
        key: record.key,
        value: record.value,
        ...(record.headers && { headers: record.headers }),
      } as Message;
      const partition = record.partition ?? this.#partitioner({ topic, partitionMetadata, message });
      const group = groups.get(partition);
      const addressed = { ...message, partition };
      if (group === undefined) groups.set(partition, [addressed]);
      else group.push(addressed);
    }
    return groups;
  }

  async #metadata(topic: string): Promise<PartitionMetadata[]> {
    const known = this.#counts.get(topic);
    if (known !== undefined && performance.now() - known.at < METADATA_AGE_MS_MAX) return known.metadata;
    try {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
      const metadata = topics.find(({ name }) => name === topic)?.partitions ?? [];
      if (metadata.length === 0) throw new Error("the topic has no partitions");
      this.#counts.set(topic, { metadata, at: performance.now() });
      return metadata;
    } catch (error) {
      throw incomplete(topic, error);
    }
  }

  /** Sends a partition's records after whatever was to be sent there before. */
  #inTurn(topic: string, partition: number, messages: Message[]): Promise<void> {
    const key = `${topic}/${partition}`;
    const before = this.#tails.get(key) ?? Promise.resolve();
    const work = before.catch(() => {}).then(() => this.#sendChunks(topic, partition, messages));
    this.#tails.set(key, work);
    const forget = () => {
      if (this.#tails.get(key) === work) this.#tails.delete(key);
    };
    work.then(forget, forget);
    return work;
  }

  async #sendChunks(topic: string, partition: number, messages: Message[]): Promise<void> {
    for (const chunk of chunksOf(messages, this.#chunkRecordsMax, this.#chunkBytesMax)) {
      const answer = await this.#producer.send({ topic, messages: chunk, acks: -1, timeout: ACK_TIMEOUT_MS });
      const [named] = answer;
      if (answer.length !== 1 || named?.partition !== partition || named.errorCode !== 0) {
        throw new Error(
          `asked for partition ${partition}, the answer names ${JSON.stringify(answer.map((item) => item.partition))}`,
        );
      }
    }
  }
}

/** Splits in order; a record larger than `bytesMax` gets a chunk of its own (the broker decides). */
export function* chunksOf(messages: readonly Message[], recordsMax: number, bytesMax: number): Generator<Message[]> {
  let chunk: Message[] = [];
  let chunkBytes = 0;
  for (const message of messages) {
    const bytes = bytesOf(message as OutgoingRecord);
    if (chunk.length > 0 && (chunk.length >= recordsMax || chunkBytes + bytes > bytesMax)) {
      yield chunk;
      chunk = [];
      chunkBytes = 0;
    }
    chunk.push(message);
    chunkBytes += bytes;
  }
  if (chunk.length > 0) yield chunk;
}

function bytesOf(record: OutgoingRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + lengthOf(record.key) + lengthOf(record.value);
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    bytes += name.length + [value].flat().reduce((sum: number, item) => sum + lengthOf(item ?? null), 0) + 4;
  }
  return bytes;
}

function lengthOf(value: Buffer | string | null): number {
  if (value === null) return 0;
  return typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
}

function incomplete(topic: string, cause: unknown): Failure {
  return new Failure("produce-incomplete", `topic ${topic}: ${(cause as Error).message}`, { cause });
}
