import { type Consumer, FetchIsolationLevels, GenericError, ResponseError } from "@platformatic/kafka";
import type { Clock, KafkaSettings, Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import type { Assignment, Fetched } from "../domain/assignment.ts";
import type { ByteBudget } from "../domain/byte-budget.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import { type FetchAnswer, FetchConsumer, fetchRequest } from "./fetch-consumer.ts";
import { type FetchedLog, readPartition } from "./fetched-records.ts";
import { connectionOptions } from "./kafka-connection.ts";
import { PartitionSeeker } from "./partition-seeker.ts";

/** Bytes of one fetch from one broker. A larger single record comes all the same. */
export const FETCH_BYTES_MAX = 8 * 1024 * 1024;
/** Of one partition in it. */
const PARTITION_FETCH_BYTES_MAX = 2 * 1024 * 1024;
/** How long a broker waits for records to come before it answers with none. */
const FETCH_WAIT_MS = 500;
/** Pause after a failed fetch, and between looks for a leader. */
const FETCH_RETRY_MS = 250;
/** Between looks whether a transaction has ended that is about to move a committed offset. */
const UNSTABLE_RETRY_MS = 250;
const COMPLAINT_EVERY_MS = 10_000;
const OFFSET_OUT_OF_RANGE = 1;

export interface PartitionReaderOptions {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly topic: string;
  /** The group's member: it knows the committed offsets. */
  readonly group: Consumer;
  readonly budget: ByteBudget;
  readonly metrics: RouterMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly onFetched: () => void;
  /** Partitions go on at earlier offsets than were read: what is in hand must be forgotten, and these be committed. */
  readonly onSetBack: (offsets: ReadonlyMap<number, number>) => void;
}

/**
 * Fetches an assignment's partitions from their leaders, one fetch under way per broker, as long as there is room in the
 * budget. Has connections of its own: a fetch blocks its connection while it waits for records, and heartbeats must not
 * wait behind it.
 */
export class PartitionReader {
  readonly #options: PartitionReaderOptions;
  readonly #fetcher: FetchConsumer;
  readonly #seeker: PartitionSeeker;
  #complainedAt = Number.NEGATIVE_INFINITY;
  readonly #retry = retry(handleAll, {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
  });

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
    // Never joins the group; the client wants a group id of every consumer.
    this.#fetcher = new FetchConsumer({
      ...connectionOptions(options.kafka, "plugboard-router-fetch"),
      groupId: options.groupId,
      retries: 0,
    });
    this.#fetcher.on("error", (error: Error) => options.logger.debug({ error }, "fetch connection failed"));
    this.#fetcher.topics.track(options.topic);
    this.#seeker = new PartitionSeeker({ ...options, client: this.#fetcher });
  }

  /** Reads until the assignment is to read no more. Begins with what is known: a partition that has to wait holds no other up. */
  async read(assignment: Assignment): Promise<void> {
    const { readingStopped } = assignment;
    const { promise: someKnown, resolve } = Promise.withResolvers<void>();
    const seek = async () => {
      while (assignment.positions.size < assignment.partitions.length && !readingStopped.aborted) {
        await this.#retry.execute(() => this.#seeker.seekToCommitted(assignment), readingStopped);
        if (assignment.positions.size > 0) resolve();
        if (assignment.positions.size < assignment.partitions.length)
          await this.#pause(UNSTABLE_RETRY_MS, readingStopped);
      }
    };
    const fetch = async () => {
      await someKnown;
      if (assignment.positions.size > 0) await this.#fetchLoops(assignment);
    };
    try {
      await Promise.all([seek().finally(resolve), fetch()]);
    } catch (error) {
      if (!readingStopped.aborted) throw error;
    }
  }

  async close(): Promise<void> {
    await this.#fetcher.close(true);
  }

  async #fetchLoops(assignment: Assignment): Promise<void> {
    const busy = new Set<number>();
    const { readingStopped } = assignment;
    const { logger } = this.#options;
    while (!readingStopped.aborted) {
      const { promise: somethingEnded, resolve } = Promise.withResolvers<void>();
      for (const [node, { topicId, partitions }] of await this.#leaders(assignment)) {
        if (busy.has(node)) continue;
        busy.add(node);
        void this.#fetchFrom(assignment, node, topicId, partitions)
          .catch(async (error: unknown) => {
            logger.warn({ error, node, partitions }, "what was fetched could not be taken: trying again");
            await this.#pause(FETCH_RETRY_MS, readingStopped);
          })
          .finally(() => {
            busy.delete(node);
            resolve();
          });
      }
      // A broker that is busy elsewhere must not keep a partition from being taken up by its new leader for long.
      await Promise.race([
        somethingEnded,
        this.#pause(busy.size === 0 ? FETCH_RETRY_MS : FETCH_WAIT_MS, readingStopped),
      ]);
    }
  }

  async #leaders(assignment: Assignment): Promise<Map<number, { topicId: string; partitions: number[] }>> {
    const leaders = new Map<number, { topicId: string; partitions: number[] }>();
    const { topic, logger, clock } = this.#options;
    try {
      const metadata = await this.#fetcher.metadata({ topics: [topic] });
      const known = metadata.topics.get(topic);
      if (known !== undefined && (await this.#seeker.madeAnew(assignment, known.id))) return leaders;
      for (const partition of assignment.positions.keys()) {
        const leader = known?.partitions[partition]?.leader ?? -1;
        if (known === undefined || !metadata.brokers.has(leader)) {
          this.#fetcher.clearMetadata();
          continue;
        }
        const entry = leaders.get(leader);
        if (entry === undefined) leaders.set(leader, { topicId: known.id, partitions: [partition] });
        else entry.partitions.push(partition);
      }
    } catch (error) {
      // Tried several times a second; one line in ten seconds says it as well.
      const now = clock.monotonic();
      const quiet = now - this.#complainedAt < COMPLAINT_EVERY_MS;
      if (!quiet) this.#complainedAt = now;
      logger[quiet ? "debug" : "warn"]({ error, topic }, "the topic's leaders are not known: trying again");
      this.#fetcher.clearMetadata();
      await this.#pause(FETCH_RETRY_MS, assignment.readingStopped);
    }
    return leaders;
  }

  async #fetchFrom(
    assignment: Assignment,
    node: number,
    topicId: string,
    partitions: readonly number[],
  ): Promise<void> {
    const { budget, logger } = this.#options;
    await budget.room(assignment.readingStopped);
    if (assignment.readingStopped.aborted) return;
    const asked = new Map(partitions.map((partition) => [partition, assignment.positions.get(partition) ?? 0]));
    let answer: FetchAnswer;
    try {
      answer = (await this.#fetcher.fetch({
        node,
        minBytes: 1,
        maxBytes: FETCH_BYTES_MAX,
        maxWaitTime: FETCH_WAIT_MS,
        isolationLevel: FetchIsolationLevels.READ_COMMITTED,
        topics: [...asked].map(([partition, offset]) => ({
          topicId,
          partitions: [fetchRequest(partition, offset, PARTITION_FETCH_BYTES_MAX)],
        })),
      })) as unknown as FetchAnswer;
    } catch (error) {
      if (assignment.readingStopped.aborted) return;
      logger.info({ error, node, partitions }, "fetching failed: trying again");
      this.#fetcher.clearMetadata();
      const answered = answerOf(error);
      if (answered !== null) await this.#take(assignment, asked, answered);
      await this.#pause(FETCH_RETRY_MS, assignment.readingStopped);
      return;
    }
    await this.#take(assignment, asked, answer);
  }

  async #take(assignment: Assignment, asked: ReadonlyMap<number, number>, answer: FetchAnswer): Promise<void> {
    let brought = false;
    const outOfRange: number[] = [];
    if (assignment.readingStopped.aborted) return;
    for (const fetched of answer.responses.flatMap((topic) => topic.partitions)) {
      const partition = fetched.partitionIndex;
      const from = asked.get(partition);
      // Another leader may have answered for it meanwhile, or the session carries a partition nobody asked for.
      if (from === undefined || assignment.positions.get(partition) !== from) continue;
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE) outOfRange.push(partition);
      if (fetched.errorCode !== 0) continue;
      const { batches, next } = readPartition(fetched, from);
      const [first] = batches;
      assignment.logEnds.set(partition, Number(fetched.lastStableOffset));
      assignment.heard(
        partition,
        first && { offset: Math.max(from, first.firstOffset), timestampMs: first.timestampMs },
        this.#options.clock.now(),
      );
      if (next === from) continue;
      assignment.positions.set(partition, next);
      for (const stretch of stretchesOf(partition, from, { batches, next })) {
        assignment.add(stretch);
        this.#options.budget.take(stretch.bytes);
      }
      brought = true;
    }
    if (brought) this.#options.onFetched();
    if (outOfRange.length > 0) await this.#seeker.seekToEarliest(assignment, outOfRange);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(ms, signal).catch(() => {});
  }
}

/** What was fetched of a partition, batch by batch; what is left out at its end belongs to the last one. */
function stretchesOf(partition: number, from: number, { batches, next }: FetchedLog): Fetched[] {
  if (batches.length === 0) return [{ partition, end: next, bytes: 0, read: () => {} }];
  return batches.map((batch, index) => ({
    partition,
    end: index === batches.length - 1 ? next : batch.lastOffset + 1,
    bytes: batch.bytes,
    read: (into) => batch.read(partition, from, into),
  }));
}

/** The answer inside an error: one partition's error must not keep the others' records back. */
function answerOf(error: unknown): FetchAnswer | null {
  if (error instanceof ResponseError) return (error.response as FetchAnswer | undefined) ?? null;
  if (error instanceof AggregateError)
    for (const inner of error.errors) if (inner instanceof GenericError) return answerOf(inner);
  return null;
}
