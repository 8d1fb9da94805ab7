import type { Admin, KafkaClient, SafeProducer } from "@plugboard/kafka";
import { type Component, type Logger, SparseLog, systemClock } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";

export interface KafkaConnectionsParts {
  readonly kafka: Pick<KafkaClient, "why">;
  readonly producer: Pick<SafeProducer, "connect" | "disconnect">;
  readonly admin: Pick<Admin, "connect" | "disconnect">;
  readonly logger: Logger;
}

const RETRY_DELAY_MS = 500;
const RETRY_DELAY_MS_MAX = 5_000;

/**
 * The plugin's producer and admin. A Kafka that is away, or does not let the plugin in, does not end it: it says why, to the
 * log and at `/readyz`, and goes on trying, while its HTTP surface answers.
 */
export class KafkaConnections implements Component {
  readonly name = "kafka";
  /** Why Kafka is not there; null once both have been connected. From then on they reconnect by themselves. */
  problem: string | null = "not connected yet";
  readonly #parts: KafkaConnectionsParts;
  readonly #log: SparseLog;
  readonly #stopped = new AbortController();

  constructor(parts: KafkaConnectionsParts) {
    this.#parts = parts;
    this.#log = new SparseLog(parts.logger, systemClock);
  }

  /** Resolves after the first attempt, whatever came of it; others follow in the background. */
  async start(): Promise<void> {
    const attempted = Promise.withResolvers<void>();
    const policy = retry(handleAll, {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      backoff: new ExponentialBackoff({ initialDelay: RETRY_DELAY_MS, maxDelay: RETRY_DELAY_MS_MAX }),
    });
    policy.execute(() => this.#connect().finally(attempted.resolve), this.#stopped.signal).catch(() => {});
    await attempted.promise;
  }

  async stop(): Promise<void> {
    const { producer, admin } = this.#parts;
    this.#stopped.abort();
    await Promise.allSettled([producer.disconnect(), admin.disconnect()]);
  }

  async #connect(): Promise<void> {
    const { kafka, producer, admin } = this.#parts;
    try {
      await Promise.all([producer.connect(), admin.connect()]);
      this.problem = null;
    } catch (error) {
      this.problem = kafka.why(error);
      if (!this.#stopped.signal.aborted)
        this.#log.warn({ reason: this.problem }, "no connection to Kafka; trying again");
      throw error;
    }
  }
}
