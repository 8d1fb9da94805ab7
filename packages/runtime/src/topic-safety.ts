import type { SafetyFinding } from "./start-safety.ts";

/** What brokers say of a topic. */
export interface TopicFacts {
  readonly topic: string;
  /** Of the partition that has the fewest. */
  readonly replicas: number;
  /** The settings in force, brokers' defaults included; those of {@link TOPIC_SETTINGS}. */
  readonly settings: ReadonlyMap<string, string | null>;
}

/** What {@link topicFindings} looks at. */
export const TOPIC_SETTINGS = [
  "cleanup.policy",
  "min.insync.replicas",
  "retention.bytes",
  "retention.ms",
  "unclean.leader.election.enable",
] as const;
type TopicSetting = (typeof TOPIC_SETTINGS)[number];

/**
 * The shortest retention, milliseconds: an hour. Alerts of lag fire within a quarter of one; whoever they call needs the rest.
 * With less, a restart that goes wrong is loss.
 */
const RETENTION_MS_MIN = 3_600_000;

/**
 * With what settings of topics acknowledged records are lost, and what to do about each. A single broker is its operator's
 * choice, told once; topics of one replica among several brokers are a mistake. Every writer asks for acks=all: that is no setting.
 * @param brokers how many the cluster has.
 */
export function topicFindings(topics: readonly TopicFacts[], brokers: number): SafetyFinding[] {
  const single: SafetyFinding = {
    grade: "risk",
    where: "Kafka",
    what: "there is one broker: with its disk, everything that is not delivered yet is lost",
    remedy: "three brokers, and topics with three replicas; or keep copies of the disk",
  };
  return [...(brokers === 1 ? [single] : []), ...topics.flatMap((facts) => findingsOf(facts, brokers))];
}

function findingsOf({ topic, replicas, settings }: TopicFacts, brokers: number): SafetyFinding[] {
  const of = (name: TopicSetting) => settings.get(name) ?? null;
  const set = (what: string) =>
    `kafka-configs --alter --entity-type topics --entity-name ${topic} --add-config ${what}`;
  const found: SafetyFinding[] = [];
  const add = (grade: SafetyFinding["grade"], what: string, remedy: string) =>
    found.push({ grade, where: `topic ${topic}`, what, remedy });
  if (replicas === 1 && brokers > 1)
    add(
      "unsafe",
      `one replica among ${brokers} brokers: the loss of a single disk loses its records`,
      "kafka-reassign-partitions with three replicas for each partition, and min.insync.replicas=2",
    );
  if (replicas > 1 && isBelow(of("min.insync.replicas"), 2))
    add(
      "unsafe",
      `min.insync.replicas=${of("min.insync.replicas")} with ${replicas} replicas: acknowledged by one broker alone, records are lost with it`,
      set("min.insync.replicas=2"),
    );
  if (replicas > 1 && of("unclean.leader.election.enable") === "true")
    add(
      "unsafe",
      "unclean.leader.election.enable=true: a replica that is behind may become leader, and what it lacks is lost",
      set("unclean.leader.election.enable=false"),
    );
  if (of("cleanup.policy")?.includes("compact"))
    add(
      "unsafe",
      `cleanup.policy=${of("cleanup.policy")}: revisions of a response have one key, and all but the last are removed, read or not`,
      set("cleanup.policy=delete"),
    );
  const retentionMs = of("retention.ms");
  if (retentionMs !== null && Number(retentionMs) >= 0 && isBelow(retentionMs, RETENTION_MS_MIN))
    add(
      "unsafe",
      `retention.ms=${retentionMs}: records are deleted, read or not, before anybody could mend a reader that stands still`,
      `${set("retention.ms=604800000")} (7 days; at least ${RETENTION_MS_MIN})`,
    );
  if (Number(of("retention.bytes") ?? -1) >= 0)
    add(
      "risk",
      `retention.bytes=${of("retention.bytes")}: under load records go earlier than retention.ms says, read or not`,
      `${set("retention.bytes=-1")}, and watch the disks`,
    );
  return found;
}

function isBelow(value: string | null, bound: number): boolean {
  return value !== null && Number(value) < bound;
}
