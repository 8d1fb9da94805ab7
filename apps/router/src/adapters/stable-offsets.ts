import { type Consumer, offsetFetchV8 } from "@platformatic/kafka";

/**
 * The group's committed offsets, none that a transaction is still about to move: the broker refuses to answer for those,
 * and the caller asks again. (The client's own call takes what is there, and a partition that changes hands while a
 * transaction ends would be read from the offset before it: all of it twice.)
 */
export async function stableOffsets(
  group: Consumer,
  topic: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, bigint>> {
  const coordinator = await group.findGroupCoordinator();
  const { brokers } = await group.metadata({ topics: [topic] });
  const broker = brokers.get(coordinator);
  if (broker === undefined) throw new Error(`the group's coordinator ${coordinator} is not among the brokers`);
  const connection = await group.connections.get(broker);
  const topics = [{ name: topic, partitionIndexes: [...partitions] }];
  const answer = await offsetFetchV8.api.async(connection, [{ groupId: group.groupId, memberEpoch: -1, topics }], true);
  const offsets = new Map<number, bigint>();
  for (const { partitionIndex, committedOffset } of answer.groups.flatMap((item) =>
    item.topics.flatMap((t) => t.partitions),
  ))
    offsets.set(partitionIndex, committedOffset);
  return offsets;
}
