import type { Admin } from "@plugboard/kafka";
import type { Clock } from "@plugboard/runtime";

/** How old the answer may be: somebody who raises the retention in an emergency sees it within a minute. */
const KNOWN_MS_MAX = 60_000;
/** Kafka's number for topics in requests about settings. */
const RESOURCE_TOPIC = 2;

/** How long a topic keeps a record, for the metrics: asked for in the background, and only when somebody looks. */
export class TopicRetention {
  readonly #admin: Pick<Admin, "describeConfigs">;
  readonly #topic: string;
  readonly #clock: Clock;
  #ms: number | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(admin: Pick<Admin, "describeConfigs">, topic: string, clock: Clock) {
    this.#admin = admin;
    this.#topic = topic;
    this.#clock = clock;
  }

  /** Milliseconds; Infinity when for ever, null while not known. */
  current(): number | null {
    const now = this.#clock.monotonic();
    if (this.#ms === null || now - this.#askedAt > KNOWN_MS_MAX) {
      this.#askedAt = now;
      // Brokers that do not answer, or forbid it, leave what was known: the next look asks again.
      void this.#ask().catch(() => {});
    }
    return this.#ms;
  }

  async #ask(): Promise<void> {
    const { resources } = await this.#admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: RESOURCE_TOPIC, name: this.#topic, configNames: ["retention.ms"] }],
    });
    const value = resources[0]?.configEntries.find(({ configName }) => configName === "retention.ms")?.configValue;
    if (value !== undefined) this.#ms = Number(value) < 0 ? Number.POSITIVE_INFINITY : Number(value);
  }
}
