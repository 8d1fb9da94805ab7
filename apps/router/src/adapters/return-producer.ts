import type { KafkaSettings } from "@plugboard/runtime";
import type { ParkedCopy } from "../domain/parked-record.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import { BatchProducer } from "./batch-producer.ts";
import { RETURN_CLIENT_ID, type Refusal, type ReturnWriter, sendCopies, whyUnwritable } from "./return-writer.ts";
import { TopicDirectory } from "./topic-directory.ts";

export interface ReturnProducerOptions {
  readonly kafka: KafkaSettings;
  readonly isNarrow: (topic: string) => boolean;
  readonly metrics: RouterMetrics;
}

/** Returns copies at least once: the caller commits when they are acknowledged. */
export class ReturnProducer implements ReturnWriter {
  readonly commits = false;
  readonly #options: ReturnProducerOptions;
  readonly #directory = new TopicDirectory();
  #producer: BatchProducer;
  #stopped = false;

  constructor(options: ReturnProducerOptions) {
    this.#options = options;
    this.#producer = this.#createProducer();
  }

  async prepare(): Promise<void> {}

  async write(copies: readonly ParkedCopy[]): Promise<Refusal[]> {
    const { isNarrow } = this.#options;
    const producer = this.#producer;
    try {
      const refusals = await sendCopies(copies, {
        producer,
        directory: this.#directory,
        isNarrow,
        stopsAtRefusal: false,
        beforeRound: async () => {},
      });
      for (const { topic } of refusals) this.#directory.forget(topic);
      return refusals;
    } catch (error) {
      // What it has under way must not arrive behind what is sent again.
      this.#directory.clear();
      await producer.discard();
      if (!this.#stopped) this.#producer = this.#createProducer();
      throw error;
    }
  }

  whyUnwritable(topic: string): Promise<string | null> {
    return whyUnwritable(topic, this.#producer, this.#directory);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#producer.discard();
  }

  #createProducer(): BatchProducer {
    const { kafka, metrics } = this.#options;
    return new BatchProducer(kafka, metrics, undefined, RETURN_CLIENT_ID);
  }
}
