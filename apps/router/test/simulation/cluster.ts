import { Reader, type RecordsBatch, readRecordsBatch } from "@platformatic/kafka";
import { type Committed, Coordinator } from "./coordinator.ts";
import { type FetchedTopic, readFetch, readProduce, writeFetched, writeProduced } from "./log-requests.ts";
import { type Answer, type Link, Network, type Request, type Server } from "./network.ts";
import { PartitionLog } from "./partition-log.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const ERROR = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  MESSAGE_TOO_LARGE: 10,
  NOT_ENOUGH_REPLICAS: 19,
  TOPIC_ALREADY_EXISTS: 36,
  UNKNOWN_TOPIC_ID: 100,
} as const;

/** Names of the requests, with the one version of each that these brokers know. */
const APIS = [
  [0, "Produce", 11],
  [1, "Fetch", 17],
  [2, "ListOffsets", 9],
  [3, "Metadata", 12],
  [8, "OffsetCommit", 9],
  [9, "OffsetFetch", 8],
  [10, "FindCoordinator", 6],
  [11, "JoinGroup", 9],
  [12, "Heartbeat", 4],
  [13, "LeaveGroup", 5],
  [14, "SyncGroup", 5],
  [18, "ApiVersions", 3],
  [19, "CreateTopics", 7],
  [22, "InitProducerId", 5],
  [32, "DescribeConfigs", 4],
] as const;
const API_KEYS = APIS.map(([apiKey, name, version]) => ({ apiKey, name, minVersion: version, maxVersion: version }));
type ApiName = (typeof APIS)[number][1];
const NAME_OF = new Map<number, ApiName>(APIS.map(([key, name]) => [key, name]));

/** How long a dead broker leads, and coordinates, for all that others know. */
const NOTICED_AFTER_MS = 400;
const ELECTED_AFTER_MS = 1_500;
const RETENTION_MS = 604_800_000;

/** Where a batch says how many records it has. */
const RECORD_COUNT_AT = 57;
/** What a router counts for a record beside its bytes. */
const RECORD_OBJECT_BYTES = 256;

type Errors = Record<string, readonly [number, string | null]>;
type Answered = (answer: Answer) => void;

interface Partition {
  readonly log: PartitionLog;
  /** -1 while there is none. */
  leader: number;
}

export interface Topic {
  readonly name: string;
  readonly id: string;
  readonly partitions: Partition[];
  bytesMax: number;
  /** Partitions below their minimum of replicas in sync. */
  readonly refusing: Set<number>;
}

/** A batch that was appended. */
export interface Appended {
  readonly topic: Topic;
  readonly partition: number;
  readonly batch: RecordsBatch;
  readonly process: SimulatedProcess;
}

interface Waiter {
  readonly look: () => boolean;
}

class Node implements Server {
  readonly id: number;
  up = true;
  /** Whether others take it for one that lives. */
  listed = true;
  slowness = 1;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, id: number) {
    this.#cluster = cluster;
    this.id = id;
  }

  get name(): string {
    return `broker-${this.id}`;
  }

  handle(request: Request, link: Link, answer: Answered): void {
    this.#cluster.handle(this, request, link, answer);
  }
}

/** Some brokers, their topics, and one consumer group; as far as routers use them, at least once. */
export class Cluster {
  readonly network: Network;
  readonly nodes: Node[];
  readonly topics = new Map<string, Topic>();
  readonly coordinator: Coordinator;
  readonly #world: World;
  readonly #events: string;
  readonly #onAppended: (appended: Appended) => void;
  readonly #onCorrupt: (what: string) => void;
  /** The most that one answer to a fetch had in it. */
  fetchedBytesMax = 0;
  #producers = 0n;
  #topicIds = 0;
  readonly #waiters = new Set<Waiter>();

  constructor(
    world: World,
    nodes: number,
    events: string,
    told: {
      onAppended: (appended: Appended) => void;
      onCommitted: (committed: Committed) => void;
      onCorrupt: (what: string) => void;
    },
  ) {
    this.#world = world;
    this.#events = events;
    this.#onAppended = told.onAppended;
    this.#onCorrupt = told.onCorrupt;
    this.network = new Network(world);
    this.coordinator = new Coordinator(world, told.onCommitted);
    this.nodes = Array.from({ length: nodes }, (_, index) => new Node(this, index + 1));
    for (const node of this.nodes) this.network.servers.set(node.name, node);
  }

  get addresses(): string {
    return this.nodes.map(({ name }) => `${name}:9092`).join(",");
  }

  createTopic(name: string, partitions: number): Topic {
    this.#topicIds += 1;
    const id = `00000000-0000-0000-0000-${String(this.#topicIds).padStart(12, "0")}`;
    const leaders = Array.from({ length: partitions }, () => this.#live());
    const topic: Topic = {
      name,
      id,
      partitions: leaders.map((leader) => ({ log: new PartitionLog(), leader })),
      bytesMax: 1_114_112,
      refusing: new Set(),
    };
    this.topics.set(name, topic);
    return topic;
  }

  addEventPartition(): void {
    this.topics.get(this.#events)?.partitions.push({ log: new PartitionLog(), leader: this.#live() });
  }

  get eventPartitions(): number {
    return this.topics.get(this.#events)?.partitions.length ?? 0;
  }

  deleteTopic(name: string): void {
    this.topics.delete(name);
  }

  /** What a producer of events has written. */
  appendEvents(partition: number, bytes: Buffer): number {
    const log = this.topics.get(this.#events)?.partitions[partition]?.log;
    if (log === undefined) throw new Error(`there is no partition ${partition} of ${this.#events}`);
    const batch = readRecordsBatch(Reader.from(bytes));
    log.append(batch, bytes);
    for (const waiter of [...this.#waiters]) if (waiter.look()) this.#waiters.delete(waiter);
    return Number(batch.firstOffset);
  }

  /** Kills a broker; others lead its partitions after a while, and coordinate what it coordinated. */
  kill(node: Node, forMs: number): void {
    if (this.nodes.filter(({ up }) => up).length < 2 || !node.up) return;
    node.up = false;
    this.network.reset(({ name }) => name === node.name);
    this.#world.at(NOTICED_AFTER_MS, null, () => {
      node.listed = false;
      this.#leadersOf(node.id, -1);
    });
    this.#world.at(ELECTED_AFTER_MS * this.#world.chance.between(0.4, 1.6), null, () => {
      this.#leadersOf(node.id, null);
      this.#leadersOf(-1, null);
      if (this.coordinator.node === node.id) this.coordinator.moveTo(this.#live());
    });
    this.#world.at(Math.max(forMs, 2.5 * ELECTED_AFTER_MS), null, () => {
      node.up = true;
      node.listed = true;
    });
  }

  /** Leadership moves for no reason that anybody sees. */
  shuffle(): void {
    for (const { partitions } of this.topics.values())
      for (const partition of partitions) if (this.#world.chance.is(0.3)) partition.leader = this.#live();
    if (this.#world.chance.is(0.5)) this.coordinator.moveTo(this.#live());
  }

  handle(node: Node, request: Request, link: Link, answer: Answered): void {
    if (!node.up) return;
    const name = NAME_OF.get(request.apiKey);
    const { args } = request;
    switch (name) {
      case "ApiVersions":
        answer(fine({ errorCode: 0, apiKeys: API_KEYS, throttleTimeMs: 0 }));
        return;
      case "Metadata":
        answer(this.#metadata(args[0] as readonly string[] | null));
        return;
      case "InitProducerId":
        this.#producers += 1n;
        answer(fine({ throttleTimeMs: 0, errorCode: 0, producerId: this.#producers, producerEpoch: 0 }));
        return;
      case "Produce":
        answer(this.#produce(node, args[0] as Buffer, link.process));
        return;
      case "Fetch":
        this.#fetch(node, args[0] as Buffer, answer);
        return;
      case "ListOffsets":
        answer(this.#listOffsets(node, args[2] as ListedTopic[]));
        return;
      case "CreateTopics":
        answer(this.#createTopics(args[0] as { name: string; numPartitions: number }[]));
        return;
      case "DescribeConfigs":
        answer(fine({ results: [{ resourceType: 2, resourceName: this.#events, configs: RETENTION }] }));
        return;
      case "FindCoordinator":
        answer(this.coordinator.find(args[1] as readonly string[]));
        return;
      case undefined:
        throw new Error(`the simulated brokers know no request ${request.apiKey}`);
      default:
        this.coordinator.handle(name, node.id, args, link.process, answer);
    }
  }

  #live(): number {
    return this.#world.chance.oneOf(this.nodes.filter(({ up }) => up)).id;
  }

  /** @param to null for any that lives. */
  #leadersOf(from: number, to: number | null): void {
    for (const { partitions } of this.topics.values())
      for (const partition of partitions) if (partition.leader === from) partition.leader = to ?? this.#live();
  }

  #metadata(names: readonly string[] | null): Answer {
    const errors: Errors = {};
    const topics = (names ?? [...this.topics.keys()]).map((name, at) => {
      const topic = this.topics.get(name);
      if (topic === undefined) {
        errors[`/topics/${at}`] = [ERROR.UNKNOWN_TOPIC_OR_PARTITION, null];
        return { errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION, name, topicId: "", isInternal: false, partitions: [] };
      }
      const partitions = topic.partitions.map(({ leader }, partitionIndex) => {
        const errorCode = leader === -1 ? ERROR.LEADER_NOT_AVAILABLE : ERROR.NONE;
        if (errorCode !== 0) errors[`/topics/${at}/partitions/${partitionIndex}`] = [errorCode, null];
        return { errorCode, partitionIndex, leaderId: leader, leaderEpoch: 0, ...NO_REPLICAS };
      });
      return { errorCode: 0, name, topicId: topic.id, isInternal: false, partitions };
    });
    const brokers = this.nodes
      .filter(({ listed }) => listed)
      .map(({ id, name }) => ({ nodeId: id, host: name, port: 9092, rack: null }));
    return { response: { throttleTimeMs: 0, brokers, clusterId: "simulated", controllerId: 1, topics }, errors };
  }

  #produce(node: Node, bytes: Buffer, process: SimulatedProcess): Answer {
    const answered = readProduce(bytes).map(({ name, parts }) => ({
      name,
      parts: parts.map(({ index, batch, size }) => ({
        index,
        errorCode: this.#append(node, name, index, batch, size, process),
      })),
    }));
    return fine({ bytes: writeProduced(answered) });
  }

  #append(
    node: Node,
    name: string,
    index: number,
    batch: RecordsBatch | null,
    size: number,
    process: SimulatedProcess,
  ): number {
    const topic = this.topics.get(name);
    const partition = topic?.partitions[index];
    if (topic === undefined || partition === undefined) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
    if (partition.leader !== node.id) return ERROR.NOT_LEADER_OR_FOLLOWER;
    if (topic.refusing.has(index)) return ERROR.NOT_ENOUGH_REPLICAS;
    if (batch === null) {
      this.#onCorrupt(`${name}/${index} from ${process.name}`);
      return ERROR.CORRUPT_MESSAGE;
    }
    if (size > topic.bytesMax) return ERROR.MESSAGE_TOO_LARGE;
    const { errorCode, isNew } = partition.log.append(batch);
    if (isNew) this.#onAppended({ topic, partition: index, batch, process });
    return errorCode;
  }

  #fetch(node: Node, bytes: Buffer, answer: Answered): void {
    const { waitMs, topics } = readFetch(bytes);
    let done = false;
    const look = (last: boolean): boolean => {
      if (done) return true;
      const { found, given } = this.#readLogs(node, topics);
      if (!found && !last) return false;
      done = true;
      if (node.up) answer(fine({ bytes: given }));
      return true;
    };
    if (look(false)) return;
    const waiter: Waiter = { look: () => look(false) };
    this.#waiters.add(waiter);
    this.#world.at(waitMs, null, () => {
      this.#waiters.delete(waiter);
      look(true);
    });
  }

  /** `found` when there is something to tell: records, or an error. */
  #readLogs(node: Node, asked: readonly FetchedTopic[]): { readonly found: boolean; readonly given: Buffer } {
    const known = [...this.topics.values()];
    let found = false;
    let bytes = 0;
    const answered = asked.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ index, offset }) => {
        const partition = known.find(({ id }) => id === topicId)?.partitions[index];
        const end = partition?.log.end ?? 0;
        let errorCode: number = ERROR.NONE;
        if (partition === undefined) errorCode = ERROR.UNKNOWN_TOPIC_ID;
        else if (partition.leader !== node.id) errorCode = ERROR.NOT_LEADER_OR_FOLLOWER;
        else if (offset > end) errorCode = ERROR.OFFSET_OUT_OF_RANGE;
        const batchesMax = 1 + this.#world.chance.below(5);
        const batches = errorCode === 0 ? (partition?.log.from(offset, batchesMax) ?? []) : [];
        const log = Buffer.concat(batches);
        found ||= errorCode !== 0 || log.length > 0;
        for (const batch of batches) bytes += batch.length + batch.readInt32BE(RECORD_COUNT_AT) * RECORD_OBJECT_BYTES;
        return { index, errorCode, end, log };
      }),
    }));
    this.fetchedBytesMax = Math.max(this.fetchedBytesMax, bytes);
    return { found, given: writeFetched(answered) };
  }

  #listOffsets(node: Node, asked: readonly ListedTopic[]): Answer {
    const errors: Errors = {};
    const topics = asked.map(({ name, partitions }, at) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }, place) => {
        const partition = this.topics.get(name)?.partitions[partitionIndex];
        let errorCode: number = ERROR.NONE;
        if (partition === undefined) errorCode = ERROR.UNKNOWN_TOPIC_OR_PARTITION;
        else if (partition.leader !== node.id) errorCode = ERROR.NOT_LEADER_OR_FOLLOWER;
        if (errorCode !== 0) errors[`/topics/${at}/partitions/${place}`] = [errorCode, null];
        const offset = BigInt(timestamp) === -2n ? 0n : BigInt(partition?.log.end ?? 0);
        return { partitionIndex, errorCode, timestamp: -1n, offset, leaderEpoch: 0 };
      }),
    }));
    return { response: { throttleTimeMs: 0, topics }, errors };
  }

  #createTopics(asked: readonly { name: string; numPartitions: number }[]): Answer {
    const errors: Errors = {};
    const topics = asked.map(({ name, numPartitions }, at) => {
      if (this.topics.has(name)) errors[`/topics/${at}`] = [ERROR.TOPIC_ALREADY_EXISTS, null];
      else this.createTopic(name, numPartitions);
      return { name, topicId: this.topics.get(name)?.id, numPartitions };
    });
    return { response: { throttleTimeMs: 0, topics }, errors };
  }
}

interface ListedTopic {
  readonly name: string;
  readonly partitions: readonly { readonly partitionIndex: number; readonly timestamp: bigint }[];
}

const RETENTION = [{ name: "retention.ms", value: String(RETENTION_MS) }];
const NO_REPLICAS = { replicaNodes: [], isrNodes: [], offlineReplicas: [] };

function fine(response: object): Answer {
  return { response, errors: {} };
}
