import type { Errors } from "./answers.ts";
import { ERROR } from "./kafka-errors.ts";
import type { Topic } from "./log-server.ts";
import type { Answer } from "./network.ts";

/** A broker as others know it. */
interface KnownNode {
  readonly id: number;
  readonly name: string;
  readonly listed: boolean;
}

/** Of each partition. */
const REPLICAS = [1, 2, 3];

/** What brokers say of topics, partitions and each other. */
export function describeTopics(
  known: ReadonlyMap<string, Topic>,
  nodes: readonly KnownNode[],
  names: readonly string[] | null,
): Answer {
  const errors: Errors = {};
  const topics = (names ?? [...known.keys()]).map((name, at) => {
    const topic = known.get(name);
    if (topic === undefined) {
      errors[`/topics/${at}`] = [ERROR.UNKNOWN_TOPIC_OR_PARTITION, null];
      return { errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION, name, topicId: "", isInternal: false, partitions: [] };
    }
    const partitions = topic.partitions.map(({ leader }, partitionIndex) => {
      const errorCode = leader === -1 ? ERROR.LEADER_NOT_AVAILABLE : ERROR.NONE;
      if (errorCode !== 0) errors[`/topics/${at}/partitions/${partitionIndex}`] = [errorCode, null];
      const isrNodes = inSync(topic, partitionIndex, nodes);
      const replicas = { replicaNodes: REPLICAS, isrNodes, offlineReplicas: [] };
      return { errorCode, partitionIndex, leaderId: leader, leaderEpoch: 0, ...replicas };
    });
    return { errorCode: 0, name, topicId: topic.id, isInternal: false, partitions };
  });
  const brokers = nodes
    .filter(({ listed }) => listed)
    .map(({ id, name }) => ({ nodeId: id, host: name, port: 9092, rack: null }));
  return { response: { throttleTimeMs: 0, brokers, clusterId: "simulated", controllerId: 1, topics }, errors };
}

/** One replica is missing while any broker is. */
function inSync({ refusing }: Topic, partition: number, nodes: readonly KnownNode[]): number[] {
  if (refusing.has(partition)) return REPLICAS.slice(0, 1);
  return nodes.every(({ listed }) => listed) ? REPLICAS : REPLICAS.slice(0, 2);
}
