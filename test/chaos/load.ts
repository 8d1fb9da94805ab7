import { setTimeout as pause } from "node:timers/promises";
import { EVENT_HEADER } from "@plugboard/contract";
import type { SafeProducer } from "@plugboard/kafka";
import { ENABLED, LANED_TEAM, RESPONSES, SOURCE } from "./teams.ts";

/** Each lane sends one batch after the other, so that a key's events stay in order whatever is sent again. */
const LANES = 4;
const KEYS_PER_TEAM = 12;
const TICK_MS = 25;
const BATCH_MAX = 500;
const RETRY_MS = 250;
/** Of the events of {@link LANED_TEAM}, in every key: each so many-th is urgent, or history. */
const URGENT_EVERY = 5;
const HISTORY_EVERY = 7;

interface Key {
  readonly key: string;
  readonly team: string;
}

interface Due extends Key {
  readonly id: string;
  readonly scheduledAt: number;
  /** What the event says of its lane; null for nothing. */
  readonly priority: "urgent" | "bulk" | null;
}

/**
 * Events at a steady rate, whether or not the brokers answer (open loop): what is late goes out as soon as they do. Ids are
 * `<key>.<number>`, the numbers of a key growing by one.
 */
export class Load {
  /** Events acknowledged by Kafka: what the core was promised. */
  readonly acknowledged = new Set<string>();
  readonly #producer: SafeProducer;
  readonly #perSecond: number;
  readonly #keys: readonly Key[];
  readonly #queues: Due[][] = Array.from({ length: LANES }, () => []);
  readonly #counts = new Map<string, number>();
  #stopped = false;
  #abandoned = false;
  #failures = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(producer: SafeProducer, perSecond: number) {
    this.#producer = producer;
    this.#perSecond = perSecond;
    this.#keys = Object.keys(ENABLED).flatMap((team) =>
      Array.from({ length: KEYS_PER_TEAM }, (_, index) => ({ key: `${team}-${index}`, team })),
    );
  }

  /** Sends that failed and were made again. */
  get failures(): number {
    return this.#failures;
  }

  start(): void {
    this.#running = Promise.all([this.#schedule(), ...this.#queues.map((queue) => this.#send(queue))]);
  }

  /** Schedules no more and waits until all that was scheduled is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Schedules no more, and gives up what is not acknowledged: whoever it went to is gone. */
  abandon(): Promise<void> {
    this.#stopped = true;
    this.#abandoned = true;
    return this.stop();
  }

  async #schedule(): Promise<void> {
    const startedAt = performance.now();
    for (let made = 0; !this.#stopped; ) {
      const wanted = Math.floor(((performance.now() - startedAt) / 1_000) * this.#perSecond);
      for (; made < wanted; made += 1) this.#make(made);
      await pause(TICK_MS);
    }
  }

  #make(index: number): void {
    const at = index % this.#keys.length;
    const { key, team } = this.#keys[at] as Key;
    const number = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, number);
    const priority = team === LANED_TEAM ? priorityOf(number) : null;
    this.#queues[at % LANES]?.push({ id: `${key}.${number}`, key, team, priority, scheduledAt: Date.now() });
  }

  async #send(queue: Due[]): Promise<void> {
    while (!this.#abandoned && (!this.#stopped || queue.length > 0)) {
      const batch = queue.slice(0, BATCH_MAX);
      if (batch.length === 0) {
        await pause(TICK_MS);
        continue;
      }
      try {
        await this.#producer.send(RESPONSES, batch.map(asRecord));
      } catch {
        // Nobody knows which of them were written: all are sent again, and all that are in the log count.
        this.#failures += 1;
        await pause(RETRY_MS);
        continue;
      }
      for (const { id } of batch) this.acknowledged.add(id);
      queue.splice(0, batch.length);
    }
  }
}

function priorityOf(number: number): Due["priority"] {
  if (number % URGENT_EVERY === 0) return "urgent";
  return number % HISTORY_EVERY === 0 ? "bulk" : null;
}

function asRecord({ id, key, team, priority, scheduledAt }: Due) {
  return {
    key,
    value: JSON.stringify({ answers: { number: id }, collector: "chaos" }),
    headers: {
      [EVENT_HEADER.specversion]: "1.0",
      [EVENT_HEADER.id]: id,
      [EVENT_HEADER.source]: SOURCE,
      [EVENT_HEADER.type]: "onResponse",
      [EVENT_HEADER.time]: new Date(scheduledAt).toISOString(),
      [EVENT_HEADER.teamId]: team,
      [EVENT_HEADER.subject]: key,
      ...(priority !== null && { [EVENT_HEADER.priority]: priority }),
    },
  };
}
