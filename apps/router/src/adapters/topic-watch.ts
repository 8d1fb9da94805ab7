import { Admin, ConfigResourceTypes, FetchIsolationLevels, ListOffsetTimestamps } from "@platformatic/kafka";
import { type Clock, type KafkaSettings, type Logger, SparseLog } from "@plugboard/runtime";
import { connectionOptions, whyNotReached } from "./kafka-connection.ts";

/** How often the ends of the topic's partitions are asked for. */
const LOOK_MS = 5_000;
/** How often its retention is: somebody who raises it in an emergency sees it within a minute. */
const RETENTION_LOOK_MS = 60_000;

export interface TopicWatchOptions {
  readonly kafka: KafkaSettings;
  readonly topic: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The end of each partition, as far as committed readers see. */
  readonly onEnds: (ends: ReadonlyMap<number, number>) => void;
}

/**
 * What fetches do not tell of the topic: how many partitions it has (for the share of a quota, and metrics), how long it
 * keeps records, and where its partitions end while fetching pauses. Nothing waits for it; a look that fails is made again.
 */
export class TopicWatch {
  readonly #options: TopicWatchOptions;
  readonly #admin: Admin;
  readonly #log: SparseLog;
  readonly #stopped = new AbortController();
  #partitions: number | null = null;
  #retentionMs: number | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(options: TopicWatchOptions) {
    this.#options = options;
    this.#log = new SparseLog(options.logger, options.clock);
    this.#admin = new Admin({ ...connectionOptions(options.kafka, "plugboard-router-watch"), retries: 0 });
    this.#admin.on("error", () => {});
  }

  /** The topic's partitions; null before the first look. */
  get partitions(): number | null {
    return this.#partitions;
  }

  /** How long the topic keeps a record, milliseconds; Infinity when for ever, null while not known. */
  get retentionMs(): number | null {
    return this.#retentionMs;
  }

  start(): void {
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#admin.close();
    await this.#work;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopped;
    let retentionDue = 0;
    while (!signal.aborted) {
      try {
        await this.#lookAtEnds();
        if (clock.monotonic() >= retentionDue) {
          this.#retentionMs = await this.#retention();
          retentionDue = clock.monotonic() + RETENTION_LOOK_MS;
        }
      } catch (error) {
        const { kafka, topic } = this.#options;
        if (!signal.aborted)
          this.#log.warn(
            { reason: whyNotReached(error, kafka), error, topic },
            "the topic's ends or retention are not known: metrics of lag may be old",
          );
      }
      await clock.sleep(LOOK_MS, signal).catch(() => {});
    }
  }

  async #lookAtEnds(): Promise<void> {
    const { topic, onEnds } = this.#options;
    const metadata = await this.#admin.metadata({ topics: [topic], forceUpdate: true });
    const count = metadata.topics.get(topic)?.partitionsCount ?? 0;
    if (count === 0) return;
    this.#partitions = count;
    const timestamp = ListOffsetTimestamps.LATEST;
    const partitions = Array.from({ length: count }, (_, partitionIndex) => ({ partitionIndex, timestamp }));
    const [listed] = await this.#admin.listOffsets({
      topics: [{ name: topic, partitions }],
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    });
    onEnds(new Map(listed?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, Number(offset)])));
  }

  async #retention(): Promise<number | null> {
    const [described] = await this.#admin.describeConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName: this.#options.topic,
          configurationKeys: ["retention.ms"],
        },
      ],
    });
    const value = described?.configs.find(({ name }) => name === "retention.ms")?.value;
    if (value === undefined || value === null) return null;
    return Number(value) < 0 ? Number.POSITIVE_INFINITY : Number(value);
  }
}
