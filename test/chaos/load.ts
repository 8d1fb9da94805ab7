import { EVENT_HEADER } from "@plugboard/contract";
import type { SafeProducer } from "@plugboard/kafka";
import { OpenLoop } from "./open-loop.ts";
import { ENABLED, LANED_TEAM, RESPONSES, SOURCE } from "./teams.ts";

/** Each lane sends one batch after the other, so that a key's events stay in order whatever is sent again. */
const LANES = 4;
const KEYS_PER_TEAM = 12;
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
export class Load extends OpenLoop<Due> {
  /** Events acknowledged by Kafka: what the core was promised. */
  readonly acknowledged = new Set<string>();
  readonly #producer: SafeProducer;
  readonly #keys: readonly Key[];
  readonly #counts = new Map<string, number>();

  constructor(producer: SafeProducer, perSecond: number) {
    super({ perSecond, queues: LANES });
    this.#producer = producer;
    this.#keys = Object.keys(ENABLED).flatMap((team) =>
      Array.from({ length: KEYS_PER_TEAM }, (_, index) => ({ key: `${team}-${index}`, team })),
    );
  }

  protected make(index: number): void {
    const at = index % this.#keys.length;
    const { key, team } = this.#keys[at] as Key;
    const number = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, number);
    const priority = team === LANED_TEAM ? priorityOf(number) : null;
    this.enqueue(at % LANES, { id: `${key}.${number}`, key, team, priority, scheduledAt: Date.now() });
  }

  protected async send(batch: readonly Due[]): Promise<void> {
    await this.#producer.send(RESPONSES, batch.map(asRecord));
    for (const { id } of batch) this.acknowledged.add(id);
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
