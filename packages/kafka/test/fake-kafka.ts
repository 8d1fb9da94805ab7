import type { Kafka, ProducerRecord, RecordMetadata } from "kafkajs";

/** Decides a request's fate: how many turns of the event loop it takes, and whether it fails before or after writing. */
export interface Fate {
  readonly turns: number;
  readonly fails: "no" | "before" | "after" | "unnamed";
}

/** A broker in memory that answers late and sometimes not at all. It keeps what was asked of it. */
export class FakeKafka {
  /** Values by partition, in the order they were written. */
  readonly partitions: string[][];
  readonly requests: ProducerRecord[] = [];
  /** Highest number of requests under way at once for one partition. */
  inFlightMax = 0;
  /** Highest number of bytes of values under way. */
  bytesInFlightMax = 0;
  metadataRequests = 0;
  readonly #fates: readonly Fate[];
  readonly #inFlight = new Map<number, number>();
  #bytesInFlight = 0;

  constructor(partitions: number, fates: readonly Fate[]) {
    this.partitions = Array.from({ length: partitions }, () => []);
    this.#fates = fates;
  }

  /** The part of kafkajs that the safe producer uses. */
  asKafka(): Kafka {
    const connection = { connect: async () => {}, disconnect: async () => {} };
    const fetchTopicMetadata = async () => {
      this.metadataRequests += 1;
      await turns(3);
      const partitions = this.partitions.map((_, partitionId) => ({ partitionId, leader: 0 }));
      return { topics: [{ name: "topic", partitions }] };
    };
    const fake = {
      producer: () => ({ ...connection, send: (record: ProducerRecord) => this.#send(record) }),
      admin: () => ({ ...connection, fetchTopicMetadata }),
    };
    return fake as unknown as Kafka;
  }

  async #send(record: ProducerRecord): Promise<RecordMetadata[]> {
    const fate = this.#fates[this.requests.length % this.#fates.length] ?? { turns: 0, fails: "no" };
    this.requests.push(record);
    const partition = record.messages[0]?.partition ?? -1;
    const bytes = record.messages.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const inFlight = (this.#inFlight.get(partition) ?? 0) + 1;
    this.#inFlight.set(partition, inFlight);
    this.inFlightMax = Math.max(this.inFlightMax, inFlight);
    this.#bytesInFlight += bytes;
    this.bytesInFlightMax = Math.max(this.bytesInFlightMax, this.#bytesInFlight);
    try {
      await turns(fate.turns);
      if (fate.fails === "before") throw new Error("the leader is gone");
      if (fate.fails === "unnamed") return [];
      this.partitions[partition]?.push(...record.messages.map(({ value }) => String(value)));
      if (fate.fails === "after") throw new Error("the answer was lost");
      return [{ topicName: record.topic, partition, errorCode: 0 }];
    } finally {
      this.#inFlight.set(partition, inFlight - 1);
      this.#bytesInFlight -= bytes;
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
