import { LANES, type PluginTopics, pluginTopics } from "@plugboard/contract";
import { type Admin, DAY_MS, ensureTopics, type KafkaClient, type TopicSpec } from "@plugboard/kafka";
import { ConstantBackoff, handleWhen, retry } from "cockatiel";
import type { TopicStore } from "../domain/ports.ts";

/**
 * A topic just created is not known to every broker at once, which Kafka reports as an error that says "retriable".
 * About two seconds in all.
 */
const whileSpreading = retry(
  handleWhen((error) => (error as { retriable?: boolean }).retriable === true),
  { maxAttempts: 10, backoff: new ConstantBackoff(200) },
);

export interface TopicSettings {
  readonly prefix: string;
  readonly deliveries: string;
  readonly commands: string;
  readonly partitions: number;
  /** Undefined: as `ensureTopics` has it. */
  readonly replication: number | undefined;
}

/** Topics through Kafka's admin API; one connection per use, for uses are rare. */
export class KafkaTopicStore implements TopicStore {
  readonly #kafka: KafkaClient;
  readonly #settings: TopicSettings;

  constructor(kafka: KafkaClient, settings: TopicSettings) {
    this.#kafka = kafka;
    this.#settings = settings;
  }

  namesOf(plugin: string): PluginTopics {
    return pluginTopics(plugin, this.#settings.prefix);
  }

  async ensure(plugin: string): Promise<PluginTopics> {
    const topics = this.namesOf(plugin);
    await this.#withAdmin(async (admin) => {
      // All lanes, and those missing of a plugin that is there already: docs/decisions/0073 says why not on first use.
      await ensureTopics(
        admin,
        LANES.map((lane) => this.#spec(topics[lane], 7 * DAY_MS)),
      );
    });
    return topics;
  }

  async ensureShared(): Promise<void> {
    await this.#withAdmin(async (admin) => {
      await ensureTopics(admin, [
        this.#spec(this.#settings.deliveries, 3 * DAY_MS),
        this.#spec(this.#settings.commands, 7 * DAY_MS),
      ]);
    });
  }

  async remove(plugin: string): Promise<void> {
    await this.#withAdmin(async (admin) => {
      const existing = new Set(await admin.listTopics());
      const topics = Object.values(this.namesOf(plugin)).filter((topic) => existing.has(topic));
      if (topics.length > 0) await admin.deleteTopics({ topics, timeout: 10_000 });
    });
  }

  async problem(): Promise<string | null> {
    try {
      await this.#withAdmin(async (admin) => void (await admin.describeCluster()));
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #spec(topic: string, retentionMs: number): TopicSpec {
    const { partitions, replication } = this.#settings;
    return { topic, partitions, replicationFactor: replication, retentionMs };
  }

  async #withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      return await whileSpreading.execute(() => work(admin));
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }
}
