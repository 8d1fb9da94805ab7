import { Reader, readRecordsBatch } from "@platformatic/kafka";
import { type Answered, type Errors, fine } from "./answers.ts";
import { API_KEYS, type ApiName, apiName } from "./apis.ts";
import { type Assigned, type Committed, GroupCoordinator, type GroupRequest, isGroupRequest } from "./coordinator.ts";
import { describeTopics } from "./describe-topics.ts";
import { ERROR } from "./kafka-errors.ts";
import { type Appended, LogServer, type Topic } from "./log-server.ts";
import { type Answer, type Link, Network, type Request, type Server } from "./network.ts";
import { PartitionLog } from "./partition-log.ts";
import { type EndedTransaction, TransactionCoordinator } from "./transaction-coordinator.ts";
import type { World } from "./world.ts";

/** How long a dead broker leads, and coordinates, for all that others know. */
const NOTICED_AFTER_MS = 400;
const ELECTED_AFTER_MS = 1_500;
/** How long another broker reads what it is to coordinate before it answers for it. */
const LOADING_MS_MAX = 800;
/** Of every topic. */
const CONFIGS = [
  { name: "retention.ms", value: "604800000" },
  { name: "min.insync.replicas", value: "2" },
];
const BYTES_MAX = 1_114_112;

/** What happens at the brokers that a history tells of. */
export interface ClusterObserver {
  readonly onAppended: (appended: Appended) => void;
  readonly onCommitted: (committed: Committed) => void;
  readonly onAssigned: (assigned: Assigned) => void;
  readonly onDecided: (ended: EndedTransaction) => void;
  readonly onCorrupt: (what: string) => void;
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
    if (this.up) this.#cluster.handle(this, request, link, answer);
  }
}

/** Some brokers, their topics, consumer groups and transactions, as far as routers use them. */
export class Cluster {
  readonly network: Network;
  readonly nodes: Node[];
  readonly topics = new Map<string, Topic>();
  readonly groups: GroupCoordinator;
  readonly logs: LogServer;
  readonly #transactions: TransactionCoordinator;
  readonly #world: World;
  readonly #events: string;
  readonly #read: ReadonlySet<string>;
  #topicIds = 0;
  /** The broker that coordinates all groups and transactions. */
  #coordinator = 1;
  #loading = false;

  /** @param read topics that routers read: the first is that of events. */
  constructor(world: World, nodes: number, read: readonly [string, ...string[]], observer: ClusterObserver) {
    const { topics } = this;
    this.#world = world;
    this.#events = read[0];
    this.#read = new Set(read);
    this.network = new Network(world);
    this.#transactions = new TransactionCoordinator({
      world,
      isTopic: (topic, partition) => topics.get(topic)?.partitions[partition] !== undefined,
      markPartition: (partition, ended) => this.#mark(partition, ended),
      markGroup: (group, ended) => {
        if (this.#loading) return false;
        this.groups.endTransaction(group, ended);
        return true;
      },
      onDecided: observer.onDecided,
    });
    this.groups = new GroupCoordinator({
      world,
      topics: this.#read,
      onCommitted: observer.onCommitted,
      onAssigned: observer.onAssigned,
      mayMove: (owner, group) => this.#transactions.mayMove(owner, group),
    });
    this.logs = new LogServer({ world, topics, transactions: this.#transactions, ...observer });
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
    const keeps = this.#read.has(name);
    const topic: Topic = {
      name,
      id,
      partitions: leaders.map((leader) => ({ log: new PartitionLog(keeps), leader })),
      bytesMax: BYTES_MAX,
      refusing: new Set(),
      hangsUntil: 0,
    };
    this.topics.set(name, topic);
    return topic;
  }

  addEventPartition(): void {
    this.topics.get(this.#events)?.partitions.push({ log: new PartitionLog(true), leader: this.#live() });
  }

  get eventPartitions(): number {
    return this.topics.get(this.#events)?.partitions.length ?? 0;
  }

  deleteTopic(name: string): void {
    this.topics.delete(name);
  }

  /** What a producer of events has written. @returns its first offset. */
  appendEvents(partition: number, bytes: Buffer): number {
    const log = this.topics.get(this.#events)?.partitions[partition]?.log;
    if (log === undefined) throw new Error(`no partition ${partition} of events`);
    const batch = readRecordsBatch(Reader.from(bytes));
    log.append(batch, bytes);
    this.logs.wake();
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
      if (this.#coordinator === node.id) this.#coordinateFrom(this.#live());
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
    if (this.#world.chance.is(0.5)) this.#coordinateFrom(this.#live());
  }

  handle(node: Node, { apiKey, args }: Request, link: Link, answer: Answered): void {
    const name = apiName(apiKey);
    const up = () => node.up;
    if (name === "Fetch") this.logs.fetch(node.id, up, args[0] as Buffer, answer);
    else if (name === "Produce") this.logs.produce(node.id, up, args[0] as Buffer, link, answer);
    else if (isGroupRequest(name)) this.groups.handle(name, this.#coordinatorProblem(node), args, link.process, answer);
    else answer(this.#answer(name, node, args));
  }

  /** To what is answered at once. */
  #answer(name: Exclude<ApiName, GroupRequest | "Fetch" | "Produce">, node: Node, args: readonly unknown[]): Answer {
    switch (name) {
      case "ApiVersions":
        return fine({ errorCode: 0, apiKeys: API_KEYS, throttleTimeMs: 0 });
      case "Metadata":
        return describeTopics(this.topics, this.nodes, args[0] as readonly string[] | null);
      case "ListOffsets":
        return this.logs.listOffsets(node.id, args[2] as Parameters<LogServer["listOffsets"]>[1]);
      case "CreateTopics":
        return this.#createTopics(args[0] as { name: string; numPartitions: number }[]);
      case "DescribeConfigs": {
        const resources = args[0] as readonly { readonly resourceName: string }[];
        const results = resources.map(({ resourceName }) => ({ resourceType: 2, resourceName, configs: CONFIGS }));
        return fine({ results });
      }
      case "FindCoordinator":
        return this.#findCoordinator(args[1] as readonly string[]);
      case "InitProducerId":
      case "AddPartitionsToTxn":
      case "AddOffsetsToTxn":
      case "EndTxn":
        return this.#transactional(name, this.#coordinatorProblem(node), args);
      default:
        return name satisfies never;
    }
  }

  #transactional(
    name: "InitProducerId" | "AddPartitionsToTxn" | "AddOffsetsToTxn" | "EndTxn",
    problem: number,
    args: readonly unknown[],
  ): Answer {
    const transactions = this.#transactions;
    if (name === "InitProducerId") {
      const [id = null, timeoutMs] = args as readonly [string | null | undefined, number];
      return id !== null && problem !== 0 ? failed(problem) : transactions.initProducer(id, timeoutMs);
    }
    if (problem !== 0) return failed(problem);
    if (name === "AddPartitionsToTxn")
      return transactions.addPartitions(args[0] as Parameters<TransactionCoordinator["addPartitions"]>[0]);
    const [id, producerId, epoch, last] = args as readonly [string, bigint, number, unknown];
    const owner = [id, producerId, epoch] as const;
    return name === "EndTxn" ? transactions.end(owner, last as boolean) : transactions.addGroup(owner, last as string);
  }

  #live(): number {
    return this.#world.chance.oneOf(this.nodes.filter(({ up }) => up)).id;
  }

  /** @param to null for any that lives. */
  #leadersOf(from: number, to: number | null): void {
    for (const { partitions } of this.topics.values())
      for (const partition of partitions) if (partition.leader === from) partition.leader = to ?? this.#live();
  }

  #coordinateFrom(node: number): void {
    if (node === this.#coordinator) return;
    this.#coordinator = node;
    this.#loading = true;
    this.#world.at(this.#world.chance.between(10, LOADING_MS_MAX), null, () => {
      this.#loading = false;
      this.groups.movedOn();
    });
  }

  #coordinatorProblem(node: Node): number {
    if (node.id !== this.#coordinator) return ERROR.NOT_COORDINATOR;
    return this.#loading ? ERROR.COORDINATOR_LOAD_IN_PROGRESS : 0;
  }

  #findCoordinator(keys: readonly string[]): Answer {
    const nodeId = this.#coordinator;
    const coordinators = keys.map((key) => ({ key, nodeId, host: `broker-${nodeId}`, port: 9092, errorCode: 0 }));
    return fine({ throttleTimeMs: 0, coordinators });
  }

  /** @returns false when the partition takes no mark now. One that is deleted needs none. */
  #mark(place: string, { producerId, epoch, committed }: EndedTransaction): boolean {
    const [name = "", index = ""] = place.split("/");
    const topic = this.topics.get(name);
    const partition = topic?.partitions[Number(index)];
    if (topic === undefined || partition === undefined) return true;
    const isLed = this.nodes.some(({ id, up }) => up && id === partition.leader);
    if (!isLed || topic.refusing.has(Number(index))) return false;
    partition.log.endTransaction(producerId, epoch, committed);
    this.logs.wake();
    return true;
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

function failed(errorCode: number): Answer {
  return { response: { errorCode }, errors: { "/": [errorCode, null] } };
}
