import { Admin, ConfigResourceTypes, findErrorBy } from "@platformatic/kafka";
import {
  type KafkaSettings,
  type SafetyFinding,
  type SafetyQuestion,
  TOPIC_SETTINGS,
  type TopicFacts,
  topicFindings,
} from "@plugboard/runtime";
import { connectionOptions, whyNotReached } from "./kafka-connection.ts";

/** Topics asked about at once: their answer is a few kilobytes. One that cannot be told spoils the answer for those beside it. */
const TOPICS_AT_ONCE = 50;
/** Where the group's offsets are kept. */
const OFFSETS_TOPIC = "__consumer_offsets";

export interface SafeTopics {
  /** The router's own, and the topic of events. */
  readonly names: readonly string[];
  /** Every topic that starts so is a plugin's. */
  readonly pluginPrefix: string;
  readonly exactlyOnce: boolean;
}

/** How the topics are kept that the router reads and writes: those that are there when it starts. */
export function topicSafety(kafka: KafkaSettings, topics: SafeTopics): SafetyQuestion {
  return {
    where: "Kafka",
    ask: async (signal) => {
      const admin = new Admin({ ...connectionOptions(kafka, "plugboard-router-safety"), retries: 0 });
      admin.on("error", () => {});
      try {
        return await findings(admin, kafka, topics, signal);
      } finally {
        await admin.close();
      }
    },
  };
}

async function findings(
  admin: Admin,
  kafka: KafkaSettings,
  { names, pluginPrefix, exactlyOnce }: SafeTopics,
  signal: AbortSignal,
): Promise<SafetyFinding[]> {
  const existing = await admin.listTopics({ includeInternals: true });
  const own = new Set(names);
  const kept = existing.filter((topic) => own.has(topic) || topic.startsWith(pluginPrefix)).toSorted();
  const known: TopicFacts[] = [];
  const unchecked: SafetyFinding[] = [];
  for (let at = 0; at < kept.length; at += TOPICS_AT_ONCE) {
    signal.throwIfAborted();
    const some = kept.slice(at, at + TOPICS_AT_ONCE);
    try {
      known.push(...(await factsOf(admin, some)));
    } catch (error) {
      throwUnlessAnswered(error);
      for (const topic of some) {
        signal.throwIfAborted();
        try {
          known.push(...(await factsOf(admin, [topic])));
        } catch (refused) {
          throwUnlessAnswered(refused);
          unchecked.push(notTold(topic, whyNotReached(refused, kafka)));
        }
      }
    }
  }
  const { brokers } = await admin.metadata({ topics: [] });
  const offsets = existing.includes(OFFSETS_TOPIC) ? await offsetsFindings(admin, brokers.size, exactlyOnce) : [];
  return [...topicFindings(known, brokers.size), ...offsets, ...unchecked];
}

async function factsOf(admin: Admin, topics: readonly string[]): Promise<TopicFacts[]> {
  const [metadata, described] = await Promise.all([
    admin.metadata({ topics: [...topics], forceUpdate: true }),
    admin.describeConfigs({
      resources: topics.map((resourceName) => ({
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName,
        configurationKeys: [...TOPIC_SETTINGS],
      })),
    }),
  ]);
  const settings = new Map(
    described.map(({ resourceName, configs }) => [
      resourceName,
      new Map(configs.map(({ name, value }) => [name, value ?? null])),
    ]),
  );
  return topics.map((topic) => ({
    topic,
    replicas: Math.min(...(metadata.topics.get(topic)?.partitions ?? []).map(({ replicas }) => replicas.length)),
    settings: settings.get(topic) ?? new Map(),
  }));
}

/** Lost offsets make the group begin at the first record there is: everything again, and nothing lost. */
async function offsetsFindings(admin: Admin, brokers: number, exactlyOnce: boolean): Promise<SafetyFinding[]> {
  const { topics } = await admin.metadata({ topics: [OFFSETS_TOPIC] });
  const replicas = topics.get(OFFSETS_TOPIC)?.partitions.map((partition) => partition.replicas.length) ?? [];
  if (brokers === 1 || !replicas.includes(1)) return [];
  return [
    {
      grade: exactlyOnce ? "unsafe" : "risk",
      where: `topic ${OFFSETS_TOPIC}`,
      what: `one replica among ${brokers} brokers: with its disk the group's offsets are lost, and everything kept is routed again`,
      remedy: "kafka-reassign-partitions with three replicas, and offsets.topic.replication.factor=3 at the brokers",
    },
  ];
}

function notTold(topic: string, why: string): SafetyFinding {
  return {
    grade: "unchecked",
    where: `topic ${topic}`,
    what: why,
    remedy: "the rights Describe and DescribeConfigs, see docs/kafka-security.md",
  };
}

/** A broker that says no has answered; one that is not there is asked again. */
function throwUnlessAnswered(error: unknown): void {
  const { message } = error as Error;
  if (findErrorBy(error as Error, "code", "PLT_KFK_PROTOCOL") === null && !message.startsWith("Unknown topic"))
    throw error;
}
