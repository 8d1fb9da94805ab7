/** One node of a KRaft cluster on this machine: broker and controller in one. */
export interface KafkaNode {
  readonly id: number;
  readonly brokerPort: number;
  readonly controllerPort: number;
  readonly dataDirectory: string;
  /** All nodes of its cluster, itself included. */
  readonly cluster: readonly { readonly id: number; readonly controllerPort: number }[];
  /** What makes it a secured broker (see kafka-security); without it clients speak plain text. */
  readonly security?: Readonly<Record<string, string>>;
}

/** A cluster of one. */
export function singleBroker(node: Pick<KafkaNode, "brokerPort" | "controllerPort" | "dataDirectory">): KafkaNode {
  return { id: 1, ...node, cluster: [{ id: 1, controllerPort: node.controllerPort }] };
}

/**
 * The server.properties of a node.
 *
 * With three nodes everything is on all three and a write needs two. A dead broker is noticed within 3 s, and one that
 * was killed is let in again after that long. Small internal
 * topics and a small cleaner buffer (its default takes 128 MiB of heap) keep a broker within 300 MB.
 */
export function kafkaProperties(node: KafkaNode): string {
  const size = node.cluster.length;
  const protocol = node.security === undefined ? "PLAINTEXT" : "SASL_SSL";
  const properties = {
    "process.roles": "broker,controller",
    "node.id": node.id,
    "controller.quorum.voters": node.cluster
      .map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
      .join(","),
    listeners: `${protocol}://127.0.0.1:${node.brokerPort},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    "advertised.listeners": `${protocol}://127.0.0.1:${node.brokerPort}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": `CONTROLLER:PLAINTEXT,${protocol}:${protocol}`,
    "log.dirs": node.dataDirectory,
    "auto.create.topics.enable": false,
    "group.initial.rebalance.delay.ms": 0,
    "num.partitions": 6,
    "default.replication.factor": size,
    "min.insync.replicas": size > 1 ? 2 : 1,
    "offsets.topic.replication.factor": size,
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.replication.factor": size,
    "transaction.state.log.min.isr": size > 1 ? 2 : 1,
    "transaction.state.log.num.partitions": 4,
    // Topics may take records above the default 1 MiB (`max.message.bytes`); replicas must be able to copy them.
    "replica.fetch.max.bytes": 4 * 1024 * 1024,
    "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    ...(size > 1 && { "controller.quorum.election.timeout.ms": 500, "controller.quorum.fetch.timeout.ms": 1000 }),
    ...node.security,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

/** The meta.properties that marks a data directory as a formatted one of this node. */
export function metaProperties(nodeId: number, clusterId: string, directoryId: string): string {
  return `version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${directoryId}\n`;
}
