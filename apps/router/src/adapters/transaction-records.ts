import type { Producer } from "@platformatic/kafka";
import type { Clock, Logger } from "@plugboard/runtime";
import { parkedCopy } from "../domain/outgoing.ts";
import type { OutgoingRecord } from "../domain/ports.ts";
import type { AwayTopics } from "./away-topics.ts";

const LOOK_RETRY_MS = 250;

export interface TransactionRecordsOptions {
  readonly away: AwayTopics;
  readonly parkedTopic: string;
  /** Topics whose records are never parked. */
  readonly essential: ReadonlySet<string>;
  readonly stopping: AbortSignal;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What a transaction is to write. */
export interface WritableRecords {
  readonly records: readonly OutgoingRecord[];
  /** Copies among them that go to the parking topic, by their own. */
  readonly parked: ReadonlyMap<string, number>;
}

/** Decides before each transaction what goes where, for a topic that refuses inside it fails all of it. */
export class TransactionRecords {
  readonly #options: TransactionRecordsOptions;
  /** Topics that found a copy too large: those of the next transaction are parked. */
  readonly #oversized = new Set<string>();

  constructor(options: TransactionRecordsOptions) {
    this.#options = options;
  }

  /** @returns whether its copies are parked the next time: else waiting is all that is left. */
  foundTooLarge(topic: string): boolean {
    const { essential } = this.#options;
    if (!essential.has(topic)) this.#oversized.add(topic);
    return !essential.has(topic);
  }

  /**
   * Looks at every topic. Waits for one that cannot be written; after its bound, its copies go to the parking topic.
   * @param client asks the brokers.
   * @returns undefined when they are not wanted any more.
   * @throws while stopping: without its copies a transaction would move their offsets.
   */
  async writable(
    records: readonly OutgoingRecord[],
    wanted: () => boolean,
    client: Producer,
  ): Promise<WritableRecords | undefined> {
    const { parkedTopic, away, logger } = this.#options;
    const parking = new Set<string>();
    for (const topic of new Set(records.map((record) => record.topic))) {
      if (this.#oversized.delete(topic)) {
        logger.error({ topic }, "a copy is above the topic's max.message.bytes: this transaction's are parked");
        parking.add(topic);
        continue;
      }
      while (!(await away.isWritable(topic, client))) {
        if (!this.#goesOn(wanted)) return undefined;
        if (away.isParked(topic)) {
          parking.add(topic);
          break;
        }
        await this.#pause();
      }
    }
    while (parking.size > 0 && !(await away.isWritable(parkedTopic, client))) {
      if (!this.#goesOn(wanted)) return undefined;
      await this.#pause();
    }
    if (!this.#goesOn(wanted)) return undefined;
    const parked = new Map<string, number>();
    const placed = records.map((record) => {
      if (!parking.has(record.topic)) return record;
      parked.set(record.topic, (parked.get(record.topic) ?? 0) + 1);
      return parkedCopy(record, parkedTopic);
    });
    return { records: placed, parked };
  }

  #goesOn(wanted: () => boolean): boolean {
    if (this.#options.stopping.aborted) throw new Error("the router stops");
    return wanted();
  }

  async #pause(): Promise<void> {
    await this.#options.clock.sleep(LOOK_RETRY_MS, this.#options.stopping).catch(() => {});
  }
}
