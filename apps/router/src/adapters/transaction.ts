import type { ClusterMetadata, Consumer, Message, MessageRecord, Producer } from "@platformatic/kafka";
import type { OutgoingRecord, SourceBatch } from "../domain/ports.ts";
import { nextRound, type Part } from "../domain/produce-round.ts";
import type { BatchProducer } from "./batch-producer.ts";
import { partitionOf } from "./partition-of.ts";
import { MESSAGE_TOO_LARGE, type PartAnswer } from "./produce-answer.ts";
import type { TopicDirectory } from "./topic-directory.ts";

export interface TransactionOptions {
  readonly producer: BatchProducer;
  readonly directory: TopicDirectory;
  /** The group's member, whose offsets move. */
  readonly group: Consumer;
  readonly records: readonly OutgoingRecord[];
  /** Of one membership. */
  readonly batches: readonly SourceBatch[];
  /** Of one of its requests. */
  readonly roundRecordsMax: number;
}

type ClientTransaction = Awaited<ReturnType<Producer["beginTransaction"]>>;

interface Carried {
  readonly record: OutgoingRecord;
}

/** What the client wants to see to add a partition. */
function asMessage({ topic, partition }: Part<Carried>): MessageRecord {
  return { topic, partition } as MessageRecord;
}

/**
 * One transaction: records, and the offsets of the batches they were made of.
 *
 *   begin ─► send rounds ─► add each offset ─► commit asked for ─► committed
 *     └───────── given up: never committed ─────────┘     └─ given up: nobody knows
 *
 * The broker fences a commit whose membership in the group is not the current one.
 */
export class Transaction {
  readonly #options: TransactionOptions;
  #mode: "open" | "committing" | "given-up" = "open";
  /** Topics that refused copies, and why. */
  readonly refused = new Map<string, string>();
  /** Topics that found a copy, or a batch of them, too large. */
  readonly oversized = new Set<string>();

  constructor(options: TransactionOptions) {
    this.#options = options;
  }

  /** @throws when anything of it fails: then it has to be given up. */
  async run(): Promise<void> {
    const { producer, directory, records, roundRecordsMax } = this.#options;
    const transaction = await producer.client.beginTransaction();
    let queue = records.map((record) => ({ record }));
    while (queue.length > 0) {
      this.#throwWhenGivenUp();
      const round = nextRound(
        queue,
        ({ record }) => partitionOf(record, this.#partitions(record.topic)),
        roundRecordsMax,
      );
      await transaction.addPartitions(this.#partitionCounts(round.parts), round.parts.map(asMessage));
      this.#throwWhenGivenUp();
      this.#acknowledgedOrThrow(round.parts, await producer.send(round, directory));
      queue = queue.slice(round.taken);
    }
    await this.#addOffsets(transaction);
    // In the same turn as the request: nobody who gave it up may see it committed.
    this.#throwWhenGivenUp();
    this.#mode = "committing";
    await transaction.commit();
  }

  /**
   * Nothing more of it is asked for; what is under way ends with its producer.
   * @returns whether it is certain that it is never committed.
   */
  giveUp(): boolean {
    if (this.#mode === "committing") return false;
    this.#mode = "given-up";
    return true;
  }

  #throwWhenGivenUp(): void {
    if (this.#mode === "given-up") throw new Error("the transaction was given up");
  }

  #partitions(topic: string): number {
    const partitions = this.#options.directory.partitions(topic);
    if (partitions === undefined) throw new Error(`the partition count of ${topic} is not known any more`);
    return partitions;
  }

  /** The part of the client's metadata that it looks at when partitions are added. */
  #partitionCounts(parts: readonly Part<Carried>[]): ClusterMetadata {
    const counts = parts.map(({ topic }) => [topic, { partitionsCount: this.#partitions(topic) }] as const);
    return { topics: new Map(counts) } as unknown as ClusterMetadata;
  }

  #acknowledgedOrThrow(parts: readonly Part<Carried>[], answers: readonly PartAnswer[]): void {
    let failure: Error | undefined;
    for (const [index, { topic, partition }] of parts.entries()) {
      const answer = answers[index] as PartAnswer;
      if (answer.kind === "acknowledged") continue;
      const why = answer.kind === "refused" ? answer.why : answer.error.message;
      if (answer.kind === "refused" && answer.code === MESSAGE_TOO_LARGE) this.oversized.add(topic);
      else if (answer.kind === "refused") this.refused.set(topic, why);
      failure ??= new Error(`${topic}/${partition} was not acknowledged: ${why}`);
    }
    if (failure !== undefined) throw failure;
  }

  /** One after another: the client takes overlapping calls for one and the same. */
  async #addOffsets(transaction: ClientTransaction): Promise<void> {
    const { group, batches } = this.#options;
    const [first] = batches;
    if (first === undefined) return;
    const ends = new Map(batches.flatMap((batch) => [...batch.ends]));
    const coordinatorId = await group.findGroupCoordinator();
    const { memberId, generationId } = first.membership;
    const consumer = { groupId: group.groupId, memberId, generationId, coordinatorId };
    this.#throwWhenGivenUp();
    await transaction.addConsumer(group);
    for (const [partition, end] of ends) {
      this.#throwWhenGivenUp();
      // The client commits the offset behind the message it is given.
      const last = { topic: first.topic, partition, offset: BigInt(end) - 1n, metadata: { consumer } };
      await transaction.addOffset(last as unknown as Message);
    }
  }
}
