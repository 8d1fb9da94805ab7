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
  /** How long partition counts are trusted, milliseconds; a key's partition may differ for this long after partitions were added. */
  readonly metadataAgeMsMax?: number;
  /** Says why the brokers refused, in a line; the error's message without it. */
  readonly why?: (error: unknown) => string;
}

/** kafkajs groups a request's records in quadratic time: 500 keeps it linear enough (measured-facts: 50 k/s). */
const CHUNK_RECORDS_MAX = 500;
/** Under Kafka's default 1 MiB per batch, with room for the batch's own overhead. */
const CHUNK_BYTES_MAX = 900 * 1024;
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Overhead assumed per record beside key, value and headers. */
const RECORD_OVERHEAD_BYTES = 70;
const METADATA_AGE_MS_MAX = 30_000;
/** The broker's own time to gather acks, milliseconds. */
const ACK_TIMEOUT_MS = 10_000;

interface KnownTopic {
  readonly partitions: Promise<PartitionMetadata[]>;
  /** When they were answered; never yet, as long as the request is under way. */
  since: number;
}

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
  readonly #metadata = new Map<string, KnownTopic>();
  /** The last request under way per `topic/partition`: the next one waits for it. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #chunkRecordsMax: number;
  readonly #chunkBytesMax: number;
  readonly #pendingBytesMax: number;
  readonly #metadataAgeMsMax: number;
  readonly #why: (error: unknown) => string;
  readonly #sends = new Set<Promise<void>>();
  #pendingBytes = 0;
  /** Settles when the last send that asked for room has got it: room is given in the order it was asked for. */
  #lastAdmission: Promise<void> = Promise.resolve();
  /** Wakes the one send that waits for room. */
  #roomMade: () => void = () => {};

  constructor(kafka: Kafka, options: SafeProducerOptions = {}) {
    this.#chunkRecordsMax = options.chunkRecordsMax ?? CHUNK_RECORDS_MAX;
    this.#chunkBytesMax = options.chunkBytesMax ?? CHUNK_BYTES_MAX;
    this.#pendingBytesMax = options.pendingBytesMax ?? PENDING_BYTES_MAX;
    this.#metadataAgeMsMax = options.metadataAgeMsMax ?? METADATA_AGE_MS_MAX;
    this.#why = options.why ?? ((error) => (error as Error).message);
    // Records arrive here with their partition; kafkajs's own partitioner is never asked.
    this.#producer = kafka.producer({
      // kafkajs skips a partition that it has not heard of: it has to look about as often as is done here. Its own five
      // minutes would refuse the keys of an added partition for as long.
      metadataMaxAge: Math.ceil(this.#metadataAgeMsMax / 10),
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    this.#admin = kafka.admin();
  }

  async connect(): Promise<void> {
    try {
      await Promise.all([this.#producer.connect(), this.#admin.connect()]);
    } catch (error) {
      throw new Error(this.#why(error), { cause: error });
    }
  }

  /** Waits for what was asked to be sent, then disconnects. */
  async disconnect(): Promise<void> {
    await Promise.allSettled(this.#sends);
    await Promise.all([this.#producer.disconnect(), this.#admin.disconnect()]);
  }

  /**
   * Sends records to one topic; resolves when all replicas in sync have every one.
   * Records of one key keep their order, also across calls that overlap; a call that throws gives its place up.
   * @throws Failure `produce-incomplete`: some records may be written; send all of them again.
   */
  async send(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return;
    const work = this.#send(topic, records);
    this.#sends.add(work);
    try {
      await work;
    } finally {
      this.#sends.delete(work);
    }
  }

  async #send(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
    const bytes = records.reduce((sum, record) => sum + bytesOf(record), 0);
    await this.#admit(bytes);
    try {
      const known = await this.#topicMetadata(topic);
      // From here to the queues of the partitions nothing is awaited: overlapping calls cannot change places.
      const queued = [...this.#partition(topic, records, known)].map(([partition, group]) =>
        this.#inTurn(topic, partition, group),
      );
      const failed = (await Promise.allSettled(queued)).find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    } catch (error) {
      this.#forget(topic);
      throw new Failure("produce-incomplete", `topic ${topic}: ${this.#why(error)}`, { cause: error });
    } finally {
      this.#pendingBytes -= bytes;
      this.#roomMade();
    }
  }

  /** Takes room for this many bytes, after every call that came before. One call may exceed the limit, alone. */
  #admit(bytes: number): Promise<void> {
    this.#lastAdmission = this.#lastAdmission.then(async () => {
      while (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#pendingBytesMax) {
        await new Promise<void>((resolve) => {
          this.#roomMade = resolve;
        });
      }
      this.#pendingBytes += bytes;
    });
    return this.#lastAdmission;
  }

  #partition(
    topic: string,
    records: readonly OutgoingRecord[],
    partitionMetadata: PartitionMetadata[],
  ): Map<number, Message[]> {
    const groups = new Map<number, Message[]>();
    for (const record of records) {
      const message = {
        key: record.key,
        value: record.value,
        ...(record.headers && { headers: definedHeaders(record.headers) }),
      } as Message;
      const partition = record.partition ?? this.#partitioner({ topic, partitionMetadata, message });
      const group = groups.get(partition);
      const addressed = { ...message, partition };
      if (group === undefined) groups.set(partition, [addressed]);
      else group.push(addressed);
    }
    return groups;
  }

  /**
   * A topic's partitions. Calls that overlap share one request, so they go on in the order they came.
   * @throws when no broker knows the topic.
   */
  #topicMetadata(topic: string): Promise<PartitionMetadata[]> {
    const known = this.#metadata.get(topic);
    if (known !== undefined && performance.now() - known.since < this.#metadataAgeMsMax) return known.partitions;
    const fetched: KnownTopic = { partitions: this.#fetchMetadata(topic), since: Number.POSITIVE_INFINITY };
    this.#metadata.set(topic, fetched);
    fetched.partitions.then(
      () => {
        fetched.since = performance.now();
      },
      () => this.#metadata.delete(topic),
    );
    return fetched.partitions;
  }

  async #fetchMetadata(topic: string): Promise<PartitionMetadata[]> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics.find(({ name }) => name === topic)?.partitions ?? [];
    if (partitions.length === 0) throw new Error("the topic has no partitions");
    return partitions;
  }

  /** Has the partitions asked for anew, unless that is under way. */
  #forget(topic: string): void {
    if (Number.isFinite(this.#metadata.get(topic)?.since)) this.#metadata.delete(topic);
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

/**
 * Without what kafkajs fails on: headers without a value, which it reads as null from records of others, and what it makes
 * of a header named like something every object has (`constructor`).
 */
function definedHeaders(headers: NonNullable<OutgoingRecord["headers"]>): OutgoingRecord["headers"] {
  const writable = Object.entries(headers).map(([name, value]) => [name, [value].flat().filter(isWritable)] as const);
  return Object.fromEntries(writable.filter(([, values]) => values.length > 0));
}

function isWritable(value: unknown): value is Buffer | string {
  return typeof value === "string" || Buffer.isBuffer(value);
}

function bytesOf(record: OutgoingRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + lengthOf(record.key) + lengthOf(record.value);
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    bytes +=
      name.length + [value].flat().reduce((sum: number, item) => sum + (isWritable(item) ? lengthOf(item) : 0), 0) + 4;
  }
  return bytes;
}

function lengthOf(value: Buffer | string | null): number {
  if (value === null) return 0;
  return typeof value === "string" ? Buffer.byteLength(value) : value.byteLength;
}
