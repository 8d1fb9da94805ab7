import { type Consumer, describeGroupsV5, Reader } from "@platformatic/kafka";
import { withDeadline } from "@plugboard/runtime";
import { coordinatorOf } from "./group-offsets.ts";

/** Of one request to the group's coordinator. */
const DEADLINE_MS = 5_000;
const STABLE = "Stable";

/** How many of a topic's partitions are somebody's in the group; null while the group makes up its mind. */
export async function assignedCount(group: Consumer, topic: string): Promise<number | null> {
  const ask = async () => {
    const connection = await group.connections.get(await coordinatorOf(group, topic));
    return await describeGroupsV5.api.async(connection, [group.groupId], false);
  };
  const answer = await withDeadline(ask(), DEADLINE_MS, "the group's coordinator did not answer");
  const described = answer?.groups[0];
  if (described?.groupState !== STABLE) return null;
  const assigned = described.members.flatMap((member) => assignedPartitions(member.memberAssignment, topic));
  return new Set(assigned).size;
}

/** A topic's partitions in an assignment of the classic consumer protocol: version [topic [partition]] user_data. */
export function assignedPartitions(assignment: Buffer, topic: string): number[] {
  if (assignment.length === 0) return [];
  const reader = Reader.from(assignment);
  reader.readInt16();
  const topics = reader.readArray(
    (ofTopics) => ({
      name: ofTopics.readString(false),
      partitions: ofTopics.readArray((inner) => inner.readInt32(), false, false),
    }),
    false,
    false,
  );
  return topics.filter(({ name }) => name === topic).flatMap(({ partitions }) => partitions);
}
