import { DEAD_LETTER_HEADER, deadLetterTopic } from "@plugboard/contract";
import type { Consumer, KafkaMessage } from "@plugboard/kafka";
import { type Component, type HealthCheck, type Logger, withDeadline } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { type CommandOutcome, parseCommand } from "../domain/core-command.ts";
import type { Flags } from "../domain/ports.ts";
import type { CoreMetrics } from "../metrics.ts";

/** Partitions whose commands are carried out at the same time. */
const PARTITIONS_AT_ONCE = 3;
/** Longest a stop waits for a join under way, milliseconds: a little over the session of a member that was killed. */
const JOIN_MS_MAX = 15_000;
const BACKOFF = { initialDelay: 200, maxDelay: 5_000 };
/** Longest detail in a dead letter's header, in characters. */
const DETAIL_LENGTH_MAX = 4_000;

/** A dead letter: the record as it was read, with the reason added. */
interface DeadLetter {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer | string | (Buffer | string)[] | undefined>;
}

export interface CommandConsumerOptions {
  readonly consumer: Consumer;
  readonly topic: string;
  readonly flags: Flags;
  readonly sendDeadLetter: (topic: string, letter: DeadLetter) => Promise<void>;
  readonly metrics: CoreMetrics;
  readonly logger: Logger;
}

/**
 * Carries out the commands of `core.commands`. A command's offset moves only after it, or its dead letter, is stored; while
 * the database or Kafka is away the partition waits. A command that is none, or is about no response of its team, becomes a
 * dead letter and the partition moves on.
 */
export class CommandConsumer implements Component {
  readonly name = "command-consumer";
  readonly #options: CommandConsumerOptions;
  readonly #stopping = new AbortController();
  #joining: Promise<void> = Promise.resolve();
  #problem: string | null = "not in its group yet";

  constructor(options: CommandConsumerOptions) {
    this.#options = options;
    const { consumer, logger } = options;
    consumer.on("consumer.group_join", () => {
      this.#problem = null;
    });
    consumer.on("consumer.crash", ({ payload }) => {
      this.#problem = payload.error.message;
      logger.warn({ error: payload.error, restart: payload.restart }, "the command consumer stopped");
    });
  }

  get health(): HealthCheck {
    return { name: "commands", critical: false, problem: () => this.#problem };
  }

  /** Joins in the background: a group waits for a member that was killed, and submissions must not wait with it. */
  async start(): Promise<void> {
    const persist = retry(handleAll, {
      maxAttempts: Number.POSITIVE_INFINITY,
      backoff: new ExponentialBackoff(BACKOFF),
    });
    persist.onFailure(({ reason }) => {
      this.#problem = "error" in reason ? (reason.error as Error).message : "not in its group yet";
    });
    this.#joining = persist
      .execute(() => this.#join(), this.#stopping.signal)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) throw error;
      });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // kafkajs leaves connections behind when it is disconnected while it joins.
    await withDeadline(this.#joining, JOIN_MS_MAX, "the group was not joined").catch(() => {});
    await this.#options.consumer.disconnect();
  }

  async #join(): Promise<void> {
    const { consumer, topic } = this.#options;
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachMessage: ({ partition, message }) => this.#handle(partition, message),
    });
  }

  async #handle(partition: number, message: KafkaMessage): Promise<void> {
    const { flags, metrics, logger } = this.#options;
    const parsed = parseCommand(message.value);
    const outcome = parsed.kind === "command" ? await flags.apply(parsed.command) : parsed;
    metrics.commands.inc({ outcome: outcome.kind === "refused" ? outcome.reason : outcome.kind });
    if (outcome.kind !== "refused") return;
    await this.#deadLetter(partition, message, outcome);
    const { reason, problems } = outcome;
    logger.warn({ partition, offset: message.offset, reason, problems }, "a command was dead-lettered");
  }

  #deadLetter(
    partition: number,
    message: KafkaMessage,
    { reason, problems }: Extract<CommandOutcome, { kind: "refused" }>,
  ): Promise<void> {
    const { topic, sendDeadLetter } = this.#options;
    return sendDeadLetter(deadLetterTopic(topic), {
      key: message.key,
      value: message.value,
      headers: {
        ...message.headers,
        [DEAD_LETTER_HEADER.reason]: reason,
        [DEAD_LETTER_HEADER.detail]: problems.join("; ").slice(0, DETAIL_LENGTH_MAX),
        [DEAD_LETTER_HEADER.origin]: `${topic}/${partition}/${message.offset}`,
        [DEAD_LETTER_HEADER.at]: new Date().toISOString(),
      },
    });
  }
}
