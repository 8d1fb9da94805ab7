import type { Admin } from "@plugboard/kafka";

/** Groups looked at, and how many at once: each is one request to its coordinator. */
const GROUPS_MAX = 500;
const AT_ONCE = 20;

export interface TopicState {
  readonly topic: string;
  readonly partitions: number;
  /** Offsets between the oldest kept record and the end: as many records, where none were compacted or transactional. */
  readonly kept: number;
}

export interface GroupLag {
  readonly group: string;
  readonly topic: string;
  /** Offsets behind the end, over all partitions; those never committed count from the oldest kept record. */
  readonly lag: number;
}

/** The topics that `wanted` takes, and how far every group that has read one is behind. */
export async function readTopicLags(
  admin: Admin,
  wanted: (topic: string) => boolean,
): Promise<{ readonly topics: readonly TopicState[]; readonly lags: readonly GroupLag[] }> {
  const names = (await admin.listTopics()).filter(wanted).toSorted();
  const offsets = new Map<string, Offsets>();
  for (const topic of names) offsets.set(topic, await admin.fetchTopicOffsets(topic));
  const topics = [...offsets].map(([topic, partitions]) => ({
    topic,
    partitions: partitions.length,
    kept: partitions.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0),
  }));
  const { groups } = await admin.listGroups();
  const consumers = groups.filter(({ protocolType }) => protocolType === "consumer").slice(0, GROUPS_MAX);
  const lags: GroupLag[] = [];
  for (let at = 0; at < consumers.length; at += AT_ONCE) {
    const part = consumers.slice(at, at + AT_ONCE).map(({ groupId }) => lagsOf(admin, groupId, offsets));
    lags.push(...(await Promise.all(part)).flat());
  }
  return { topics, lags: lags.toSorted((one, other) => (one.group < other.group ? -1 : 1)) };
}

type Offsets = readonly { readonly partition: number; readonly low: string; readonly high: string }[];

async function lagsOf(admin: Admin, group: string, topics: ReadonlyMap<string, Offsets>): Promise<GroupLag[]> {
  if (topics.size === 0) return [];
  const answer = await admin.fetchOffsets({ groupId: group });
  return answer.flatMap(({ topic, partitions }) => {
    if (!topics.has(topic)) return [];
    const committed = new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    // A group that has committed nothing of the topic does not read it, as far as can be known.
    if ([...committed.values()].every((offset) => offset < 0)) return [];
    const lag = (topics.get(topic) ?? []).reduce((sum, { partition, low, high }) => {
      const offset = committed.get(partition) ?? -1;
      return sum + Math.max(0, Number(high) - (offset < 0 ? Number(low) : offset));
    }, 0);
    return [{ group, topic, lag }];
  });
}
