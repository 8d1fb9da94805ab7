import { Admin, ConfigResourceTypes } from "@platformatic/kafka";
import { type Clock, type KafkaSettings, type Logger, withDeadline } from "@plugboard/runtime";
import { connectionOptions } from "./kafka-connection.ts";
import type { TopicDirectory, TopicState } from "./topic-directory.ts";

const SETTING = "min.insync.replicas";
/** A broker that is there answers in milliseconds; nobody is to wait for one that is not. */
const ASK_DEADLINE_MS = 1_000;
/** How long a topic's setting is taken for known: somebody who lowers it in an emergency waits. */
const KNOWN_MS = 10_000;
/** After a question that failed: without the right to ask, every topic's would fail. */
const ASK_AGAIN_MS = 10_000;

/**
 * Whether brokers would take a write that all replicas have to acknowledge: by who is in sync, and how many have to be. The
 * setting is asked for when a topic misses replicas, so not at all while the cluster is whole. Has a client of its own: a
 * write that hangs holds up everything behind it on its connection.
 */
export class InSyncMinimum {
  readonly #kafka: KafkaSettings;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #admin: Admin | undefined;
  /** As many as there are topics that missed replicas. */
  readonly #known = new Map<string, { readonly minimum: number; readonly until: number }>();
  #askAt = 0;

  constructor({ kafka, logger, clock }: { kafka: KafkaSettings; logger: Logger; clock: Clock }) {
    this.#kafka = kafka;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Looks at a topic, by a connection that no write holds up. */
  async look(directory: TopicDirectory, topic: string): Promise<TopicState> {
    try {
      const state = await withDeadline(directory.look(this.#client(), topic), ASK_DEADLINE_MS, "no broker answers");
      return await this.judge(topic, state as TopicState);
    } catch (error) {
      return { kind: "unknown", error };
    }
  }

  /** What was seen of a topic, with those unwritable whose partitions have fewer replicas in sync than they need. */
  async judge(topic: string, state: TopicState): Promise<TopicState> {
    if (state.kind !== "writable" || state.weakest === null) return state;
    const { inSync, replicas } = state.weakest;
    const minimum = await this.#minimum(topic);
    // Kafka asks for no more than there are.
    if (minimum === undefined || inSync >= Math.min(minimum, replicas)) return state;
    return { kind: "unwritable", why: `${inSync} of ${replicas} replicas are in sync, ${SETTING} is ${minimum}` };
  }

  async close(): Promise<void> {
    await this.#admin?.close();
  }

  /** @returns undefined when nobody says. */
  async #minimum(topic: string): Promise<number | undefined> {
    const now = this.#clock.monotonic();
    const known = this.#known.get(topic);
    if (known !== undefined && now < known.until) return known.minimum;
    if (now < this.#askAt) return undefined;
    try {
      const asked = this.#client().describeConfigs({
        resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: [SETTING] }],
      });
      const described = await withDeadline(asked, ASK_DEADLINE_MS, "the topic's settings were not told");
      const minimum = Number(described?.[0]?.configs.find(({ name }) => name === SETTING)?.value);
      if (!Number.isInteger(minimum)) throw new Error(`no ${SETTING} in the answer`);
      this.#known.set(topic, { minimum, until: now + KNOWN_MS });
      return minimum;
    } catch (error) {
      this.#askAt = this.#clock.monotonic() + ASK_AGAIN_MS;
      this.#logger.info(
        { error, topic },
        `${SETTING} is not known: what the topic refuses will show whether it can be written`,
      );
      return undefined;
    }
  }

  #client(): Admin {
    if (this.#admin === undefined) {
      this.#admin = new Admin({ ...connectionOptions(this.#kafka, "plugboard-router-replicas"), retries: 0 });
      this.#admin.on("error", () => {});
    }
    return this.#admin;
  }
}
