import {
  DELIVERY_HEADER,
  type DeliveryOutcome,
  decodeEvent,
  deliveryId,
  deliveryRecordSchema,
  LANES,
  pluginTopics,
} from "@plugboard/contract";
import {
  type Consumer,
  type EachBatchPayload,
  headerReader,
  type KafkaClient,
  type KafkaMessage,
} from "@plugboard/kafka";
import { build, type Histogram } from "hdr-histogram-js";
import type { DemoTeam } from "./scenario.ts";

/** Outcomes after which nothing more happens to a delivery. */
const FINAL: ReadonlySet<DeliveryOutcome> = new Set([
  "delivered",
  "superseded",
  "rejected",
  "failed",
  "unknown",
  "disabled",
]);
const GOOD: ReadonlySet<DeliveryOutcome> = new Set(["delivered", "superseded"]);

/** What Kafka says of one plugin's deliveries in this run. */
export interface PluginLedger {
  /** Deliveries that had to be routed, by the responses read and the teams' choices. */
  readonly expected: ReadonlySet<string>;
  /** Delivery id → its copies in the plugin's topic. */
  readonly copies: ReadonlyMap<string, Copies>;
  /** Delivery id → its final outcome. */
  readonly outcomes: ReadonlyMap<string, Settled>;
}

/** How many copies of a delivery there are, and when the first was routed (milliseconds since 1970). */
interface Copies {
  readonly count: number;
  readonly routedAt: number;
}

/** A final outcome, and when it was reached (milliseconds since 1970). */
export interface Settled {
  readonly outcome: DeliveryOutcome;
  readonly at: number;
}

interface MutablePluginLedger {
  expected: Set<string>;
  copies: Map<string, Copies>;
  outcomes: Map<string, Settled>;
}

/**
 * Reads `responses`, the plugins' topics and `deliveries` from where they stood at the start of a run, as any outsider
 * could, and keeps account of what should arrive, what was routed and what became of it. Only ids are kept.
 */
export class Ledger {
  readonly responses = new Set<string>();
  readonly #teams: ReadonlyMap<string, DemoTeam>;
  readonly #plugins: ReadonlyMap<string, MutablePluginLedger>;
  readonly #pluginOfTopic: ReadonlyMap<string, string>;
  readonly #topics: { readonly responses: string; readonly deliveries: string };
  readonly #eventTimes = new Map<string, number>();
  /** `topic/partition` → the last offset read. */
  readonly #lastRead = new Map<string, bigint>();
  readonly #kafka: KafkaClient;
  readonly #groupId: string;
  #consumer: Consumer | undefined;

  constructor(
    kafka: KafkaClient,
    groupId: string,
    teams: readonly DemoTeam[],
    topics = { responses: "responses", deliveries: "deliveries" },
  ) {
    this.#kafka = kafka;
    this.#groupId = groupId;
    this.#topics = topics;
    this.#teams = new Map(teams.map((team) => [team.team, team]));
    const ids = [...new Set(teams.flatMap((team) => team.plugins.map(({ plugin }) => plugin)))].sort();
    this.#plugins = new Map(ids.map((id) => [id, { expected: new Set(), copies: new Map(), outcomes: new Map() }]));
    this.#pluginOfTopic = new Map(ids.flatMap((id) => LANES.map((lane) => [pluginTopics(id)[lane], id] as const)));
  }

  get plugins(): ReadonlyMap<string, PluginLedger> {
    return this.#plugins;
  }

  /** Starts reading at the topics' present ends; resolves when they are committed, so that nothing later is missed. */
  async start(): Promise<void> {
    const ends = await this.#presentEnds();
    const consumer = this.#kafka.consumer({
      groupId: this.#groupId,
      maxBytesPerPartition: 8 * 1024 * 1024,
      // Also how long a stop waits for the fetch under way.
      maxWaitTimeInMs: 500,
      readUncommitted: false,
    });
    this.#consumer = consumer;
    await consumer.connect();
    await consumer.subscribe({ topics: [...new Set(ends.map(({ topic }) => topic))] });
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
    await consumer.run({ autoCommitInterval: 1_000, eachBatch: (payload) => this.#read(payload) });
    await joined;
    await consumer.commitOffsets(ends);
    for (const end of ends) consumer.seek(end);
  }

  async #presentEnds(): Promise<{ topic: string; partition: number; offset: string }[]> {
    const topics = [this.#topics.responses, this.#topics.deliveries, ...this.#pluginOfTopic.keys()];
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      const ends = topics.map(async (topic) =>
        (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ topic, partition, offset: high })),
      );
      return (await Promise.all(ends)).flat();
    } finally {
      await admin.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.#consumer?.disconnect();
    const admin = this.#kafka.admin();
    await admin.connect();
    await admin.deleteGroups([this.#groupId]).catch(() => {});
    await admin.disconnect();
  }

  /** Deliveries that had to happen and are not settled yet. */
  unsettled(): number {
    let open = 0;
    for (const { expected, outcomes } of this.#plugins.values()) {
      for (const id of expected) if (!outcomes.has(id)) open += 1;
    }
    return open;
  }

  /** Deliveries settled well. */
  delivered(): number {
    let count = 0;
    for (const { expected, outcomes } of this.#plugins.values()) count += settledWell(expected, outcomes);
    return count;
  }

  /** From submitted (event time) to routed, and to delivered, in milliseconds. */
  latencies(): { readonly routed: Histogram; readonly delivered: Histogram } {
    const routed = build({ numberOfSignificantValueDigits: 3 });
    const delivered = build({ numberOfSignificantValueDigits: 3 });
    for (const { copies, outcomes } of this.#plugins.values()) {
      for (const [id, { routedAt }] of copies) this.#record(routed, id, routedAt);
      for (const [id, { outcome, at }] of outcomes) if (outcome === "delivered") this.#record(delivered, id, at);
    }
    return { routed, delivered };
  }

  #record(histogram: Histogram, delivery: string, at: number): void {
    const since = this.#eventTimes.get(delivery);
    if (since !== undefined && !Number.isNaN(at)) histogram.recordValue(Math.max(0, at - since));
  }

  async #read({ batch }: EachBatchPayload): Promise<void> {
    const plugin = this.#pluginOfTopic.get(batch.topic);
    const place = `${batch.topic}/${batch.partition}`;
    for (const message of batch.messages) {
      // After a reconnect some records are read again; they must not look like doubled copies.
      const offset = BigInt(message.offset);
      if (offset <= (this.#lastRead.get(place) ?? -1n)) continue;
      this.#lastRead.set(place, offset);
      if (plugin !== undefined) this.#readCopy(plugin, message);
      else if (batch.topic === this.#topics.deliveries) this.#readOutcome(message);
      else this.#readResponse(message);
    }
  }

  #readResponse(message: KafkaMessage): void {
    const event = decodeEvent(headerReader(message.headers), message.value, "core");
    if (event.kind === "malformed" || event.attributes.type !== "onResponse") return;
    const { source, id, teamId, responseId, time } = event.attributes;
    const team = this.#teams.get(teamId);
    if (team === undefined || responseId === null) return;
    this.responses.add(responseId);
    const answers = (event.data().answers ?? {}) as Record<string, unknown>;
    for (const { plugin, wants } of team.plugins) {
      if (!wants(answers)) continue;
      const delivery = deliveryId(teamId, plugin, source, id);
      this.#plugins.get(plugin)?.expected.add(delivery);
      if (time !== null) this.#eventTimes.set(delivery, Date.parse(time));
    }
  }

  #readCopy(plugin: string, message: KafkaMessage): void {
    const header = headerReader(message.headers);
    const id = header(DELIVERY_HEADER.id);
    const copies = this.#plugins.get(plugin)?.copies;
    if (id === undefined || copies === undefined) return;
    const { count, routedAt } = copies.get(id) ?? {
      count: 0,
      routedAt: Date.parse(header(DELIVERY_HEADER.routedAt) ?? ""),
    };
    copies.set(id, { count: count + 1, routedAt });
  }

  #readOutcome(message: KafkaMessage): void {
    const record = deliveryRecordSchema.safeParse(JSON.parse(String(message.value)));
    if (!record.success || !FINAL.has(record.data.outcome)) return;
    const { plugin, deliveryId: id, outcome, at } = record.data;
    const outcomes = this.#plugins.get(plugin)?.outcomes;
    if (outcomes !== undefined && !outcomes.has(id)) outcomes.set(id, { outcome, at: Date.parse(at) });
  }
}

/** How many of the expected deliveries ended well. */
export function settledWell(expected: ReadonlySet<string>, outcomes: ReadonlyMap<string, Settled>): number {
  let count = 0;
  for (const id of expected) {
    const settled = outcomes.get(id);
    if (settled !== undefined && GOOD.has(settled.outcome)) count += 1;
  }
  return count;
}
