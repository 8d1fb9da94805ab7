import {
  type Consumer,
  offsetCommitV8,
  offsetFetchV8,
  type Producer,
  ResponseError,
  txnOffsetCommitV3,
} from "@platformatic/kafka";
import { withDeadline } from "@plugboard/runtime";
import type { CursorsToCommit } from "./return-writer.ts";

/** Of one request to the group's coordinator. */
const DEADLINE_MS = 10_000;
const UNSTABLE_OFFSET_COMMIT = 88;

/** What a group has committed of a partition. */
export interface CommittedOffset {
  /** -1 when nothing was. */
  readonly offset: bigint;
  readonly metadata: string | null;
}

/**
 * The group's committed offsets, without those that a transaction is still about to move: the broker does not tell them, and
 * the caller asks again for what is missing. (The client's own call takes what is there, and a partition that changes hands while a
 * transaction ends would be read from the offset before it: all of it twice.) Such a transaction may stay open for as long as
 * its time-out, when its router was frozen; the other partitions need not wait for it.
 */
export async function committedOffsets(
  group: Consumer,
  topic: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, CommittedOffset>> {
  const connection = await group.connections.get(await coordinatorOf(group, topic));
  const topics = [{ name: topic, partitionIndexes: [...partitions] }];
  const request = [{ groupId: group.groupId, memberEpoch: -1, topics }];
  const answer = await offsetFetchV8.api.async(connection, request, true).catch(stableOrThrow);
  const found = answer.groups.flatMap((item) => item.topics.flatMap((t) => t.partitions));
  return new Map(
    found
      .filter(({ errorCode }) => errorCode === 0)
      .map(({ partitionIndex, committedOffset: offset, metadata }) => [
        partitionIndex,
        { offset, metadata: metadata ?? null },
      ]),
  );
}

type OffsetsAnswer = Awaited<ReturnType<typeof offsetFetchV8.api.async>>;

/** The client throws the whole answer away when one partition's offset is not stable. */
function stableOrThrow(error: unknown): OffsetsAnswer {
  if (!(error instanceof ResponseError)) throw error;
  const answer = error.response as OffsetsAnswer;
  const codes = answer.groups.flatMap((group) => [
    group.errorCode,
    ...group.topics.flatMap((topic) => topic.partitions.map(({ errorCode }) => errorCode)),
  ]);
  if (codes.some((code) => code !== 0 && code !== UNSTABLE_OFFSET_COMMIT)) throw error;
  return answer;
}

/** Commits cursors with their metadata, which the client's own call has no place for. Fenced by the membership. */
export async function commitCursors(group: Consumer, topic: string, commit: CursorsToCommit): Promise<void> {
  const { generationId, memberId } = commit.membership;
  const work = async () => {
    const connection = await group.connections.get(await coordinatorOf(group, topic));
    await offsetCommitV8.api.async(connection, group.groupId, generationId, memberId, null, [request(topic, commit)]);
  };
  await withDeadline(work(), DEADLINE_MS, "the group's coordinator did not answer");
}

/** The same within the producer's transaction, to which the group has been added. */
export async function commitInTransaction(
  group: Consumer,
  producer: Producer,
  transactionalId: string,
  topic: string,
  commit: CursorsToCommit,
): Promise<void> {
  const { producerId, producerEpoch } = producer;
  if (producerId === undefined || producerEpoch === undefined) throw new Error("no transaction has begun");
  const { generationId, memberId } = commit.membership;
  const connection = await producer.connections.get(await coordinatorOf(group, topic));
  const topics = [request(topic, commit)];
  await txnOffsetCommitV3.api.async(
    connection,
    transactionalId,
    group.groupId,
    producerId,
    producerEpoch,
    generationId,
    memberId,
    null,
    topics,
  );
}

function request(topic: string, { partition, cursors }: CursorsToCommit) {
  const { offset, metadata } = cursors;
  const partitions = [
    {
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    },
  ];
  return { name: topic, partitions };
}

/** The broker that coordinates a group. @throws when it is not known, or not among the brokers. */
export async function coordinatorOf(group: Consumer, topic: string) {
  const coordinator = await group.findGroupCoordinator();
  const { brokers } = await group.metadata({ topics: [topic] });
  const broker = brokers.get(coordinator);
  if (broker === undefined) throw new Error(`the group's coordinator ${coordinator} is not among the brokers`);
  return broker;
}
