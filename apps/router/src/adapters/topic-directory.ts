import { type Broker, type ClusterPartitionMetadata, findErrorBy, type Producer } from "@platformatic/kafka";

/** A partition that misses replicas: how many are in sync, of how many. */
interface MissesReplicas {
  readonly inSync: number;
  readonly replicas: number;
}

/**
 * What is known of a topic: its partition count and the partition that misses most replicas, if any does; that it cannot be written
 * now and why; or that nobody answered.
 */
export type TopicState =
  | { readonly kind: "writable"; readonly partitions: number; readonly weakest: MissesReplicas | null }
  | { readonly kind: "unwritable"; readonly why: string }
  | { readonly kind: "unknown"; readonly error: unknown };

/** How long an answer is trusted: after partitions were added, a key may go to its old one for this long. */
const ANSWER_AGE_MS_MAX = 30_000;

/**
 * Partition counts and leaders of the topics written to. Each topic is asked for alone: in one question, one missing or leaderless
 * topic fails the answer for all.
 */
export class TopicDirectory {
  readonly #known = new Map<string, { readonly leaders: readonly number[]; readonly at: number }>();
  #brokers: ReadonlyMap<number, Broker> = new Map();

  /** The partition count if it was learnt lately; undefined when {@link look} must be called first. */
  partitions(topic: string): number | undefined {
    const entry = this.#known.get(topic);
    return entry !== undefined && performance.now() - entry.at < ANSWER_AGE_MS_MAX ? entry.leaders.length : undefined;
  }

  /** The broker that led a partition when the topic was last looked at; -1 when the topic is not known. */
  leader(topic: string, partition: number): number {
    return this.#known.get(topic)?.leaders[partition] ?? -1;
  }

  /** Where a broker is reached. */
  broker(id: number): Broker | undefined {
    return this.#brokers.get(id);
  }

  /** Asks the brokers, afresh. */
  async look(client: Pick<Producer, "metadata">, topic: string): Promise<TopicState> {
    try {
      const { topics, brokers } = await client.metadata({ topics: [topic], forceUpdate: true, retries: 0 });
      const partitions = topics.get(topic)?.partitions ?? [];
      if (partitions.length === 0) return this.#not(topic, "it has no partitions");
      this.#known.set(topic, { leaders: partitions.map(({ leader }) => leader), at: performance.now() });
      this.#brokers = brokers;
      return { kind: "writable", partitions: partitions.length, weakest: weakestOf(partitions) };
    } catch (error) {
      // The client turns "unknown topic" into an error of its own, and passes a leaderless partition on as it is.
      const { message } = error as Error;
      if (message.startsWith("Unknown topic")) return this.#not(topic, "it does not exist");
      const answered = findErrorBy(error as Error, "code", "PLT_KFK_PROTOCOL");
      if (answered !== null) return this.#not(topic, answered.message);
      return { kind: "unknown", error };
    }
  }

  forget(topic: string): void {
    this.#known.delete(topic);
  }

  clear(): void {
    this.#known.clear();
  }

  #not(topic: string, why: string): TopicState {
    this.#known.delete(topic);
    return { kind: "unwritable", why };
  }
}

function weakestOf(partitions: readonly ClusterPartitionMetadata[]): MissesReplicas | null {
  let weakest: MissesReplicas | null = null;
  for (const { isr, replicas } of partitions)
    if (isr.length < replicas.length && isr.length < (weakest?.inSync ?? Number.POSITIVE_INFINITY))
      weakest = { inSync: isr.length, replicas: replicas.length };
  return weakest;
}
