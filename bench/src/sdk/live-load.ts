import { createProducer } from "../bench-kafka.ts";
import { pacedSends } from "../paced-sends.ts";
import type { Workload } from "../workload.ts";
import { type DeliveryTopic, deliveryMessage } from "./delivery-records.ts";

/** What was meant to be sent, and when. */
export interface SentSpan {
  /** Serials from `from` to below `to`. */
  readonly from: number;
  readonly to: number;
  /** When a serial was meant to be sent: milliseconds since the epoch. */
  readonly intendedAtMs: (serial: number) => number;
  /** How late the load itself was, at worst. */
  readonly sendDelayMsMax: number;
}

/** Writes a workload's deliveries into a plugin's topic at a fixed rate, one span after the other. */
export class LiveLoad {
  readonly #workload: Workload;
  readonly #to: DeliveryTopic;
  readonly #producer: ReturnType<typeof createProducer>;
  #next: number;

  /** @param first serial that it sends. */
  constructor(brokers: string, to: DeliveryTopic, workload: Workload, first = 0) {
    this.#workload = workload;
    this.#to = to;
    this.#producer = createProducer(brokers);
    this.#next = first;
  }

  /** Serials below this were sent. */
  get sent(): number {
    return this.#next;
  }

  /** Sends so many more, each when it is due. @param stopped ends it early. */
  async send(count: number, perSecond: number, stopped: () => boolean = () => false): Promise<SentSpan> {
    const from = this.#next;
    const startedAtMs = performance.now();
    const sinceStartMs = (serial: number) => ((serial - from) * 1_000) / perSecond;
    const sendDelayMsMax = await pacedSends({
      from,
      to: from + count,
      intendedAtMs: (serial) => startedAtMs + sinceStartMs(serial),
      send: async (first, end) => {
        this.#next = end;
        const messages = Array.from({ length: end - first }, (_, index) =>
          deliveryMessage(this.#workload, first + index, this.#to),
        );
        await this.#producer.send({ messages, acks: -1 });
      },
      stopped,
    });
    const epochMs = performance.timeOrigin + startedAtMs;
    return { from, to: this.#next, intendedAtMs: (serial) => epochMs + sinceStartMs(serial), sendDelayMsMax };
  }

  async close(): Promise<void> {
    await this.#producer.close(true);
  }
}
