import { type Lane, pluginTopics } from "@plugboard/contract";
import type { SafeProducer } from "@plugboard/kafka";
import { routedRecord, testEvent } from "../../../packages/plugin-sdk/src/testing/event-fixtures.ts";
import type { Dice } from "../dice.ts";
import { OpenLoop } from "../open-loop.ts";
import type { Kind, Payload } from "./roster.ts";

interface Due {
  readonly id: string;
  readonly topic: string;
  readonly record: Parameters<SafeProducer["send"]>[1][number];
}

interface Response {
  readonly name: string;
  revision: number;
  readonly revisionsMax: number;
}

/** A delivery's routing entry is older than every team's, so no table is behind it. */
const ROUTE_VERSION = "1.1";
const REVISIONS_MAX = 4;
/** Of a hundred deliveries: urgent, bulk; refused by the vendor for good; and written twice, the second in the bulk lane as a redrive's. */
const URGENT = 10;
const BULK = 20;
const DOOMED = 2;
const REPEATED = 3;

/** What routers would write into the plugins' topics: responses of many teams, several revisions of each, in all lanes. */
export class PluginLoad extends OpenLoop<Due> {
  /** Deliveries acknowledged by Kafka. */
  readonly acknowledged = new Set<string>();
  readonly #producer: SafeProducer;
  readonly #kinds: readonly Kind[];
  readonly #teams: readonly string[];
  readonly #dice: Dice;
  readonly #responses = new Map<string, Response>();

  constructor(
    producer: SafeProducer,
    perSecond: number,
    { kinds, teams }: { readonly kinds: readonly Kind[]; readonly teams: readonly string[] },
    dice: Dice,
  ) {
    super({ perSecond, queues: kinds.length });
    this.#producer = producer;
    this.#kinds = kinds;
    this.#teams = teams;
    this.#dice = dice;
  }

  protected make(index: number): void {
    const queue = index % this.#kinds.length;
    const kind = this.#kinds[queue] as Kind;
    const team = this.#dice.oneOf(this.#teams);
    const { name: response, revision } = this.#revised(`${kind}/${team}`, index);
    const data: Payload = { doomed: this.#dice.below(100) < DOOMED };
    const event = testEvent({ team, id: `event-${index}`, response, revision, data: { ...data } });
    const { id, ...record } = routedRecord(kind, event, ROUTE_VERSION);
    const topics = pluginTopics(kind);
    this.enqueue(queue, { id, topic: topics[this.#lane()], record });
    if (this.#dice.below(100) < REPEATED) this.enqueue(queue, { id, topic: topics.bulk, record });
  }

  /** The next revision of the response that a team is at, or a new response. */
  #revised(of: string, index: number): Response {
    const known = this.#responses.get(of);
    if (known !== undefined && known.revision < known.revisionsMax) {
      known.revision += 1;
      return known;
    }
    const fresh = { name: `response-${index}`, revision: 1, revisionsMax: 1 + this.#dice.below(REVISIONS_MAX) };
    this.#responses.set(of, fresh);
    return fresh;
  }

  #lane(): Lane {
    const drawn = this.#dice.below(100);
    if (drawn < URGENT) return "priority";
    return drawn < URGENT + BULK ? "bulk" : "live";
  }

  protected async send(batch: readonly Due[]): Promise<void> {
    const byTopic = Map.groupBy(batch, ({ topic }) => topic);
    const sends = [...byTopic].map(([topic, due]) =>
      this.#producer.send(
        topic,
        due.map(({ record }) => record),
      ),
    );
    const failed = (await Promise.allSettled(sends)).find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    for (const { id } of batch) this.acknowledged.add(id);
  }
}
