import {
  DELIVERY_HEADER,
  type DeliveryOutcome,
  decodeEvent,
  deliveryId,
  deliveryRecordSchema,
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
  /** Delivery id → copies in the plugin's topic. */
  readonly copies: ReadonlyMap<string, number>;
  /** Delivery id → its final outcome. */
  readonly outcomes: ReadonlyMap<string, Settled>;
}

/** A final outcome, and when it was reached (milliseconds since 1970). */
export interface Settled {
  readonly outcome: DeliveryOutcome;
  readonly at: number;
}

interface MutablePluginLedger {
  expected: Set<string>;
  copies: Map<string, number>;
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
    this.#pluginOfTopic = new Map(ids.map((id) => [pluginTopics(id).live, id]));
  }

  get plugins(): ReadonlyMap<string, PluginLedger> {
    return this.#plugins;
  }

  /** Starts reading at the topics' present ends. */
  async start(): Promise<void> {
    const topics = [this.#topics.responses, this.#topics.deliveries, ...this.#pluginOfTopic.keys()];
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      for (const topic of topics) {
        const ends = await admin.fetchTopicOffsets(topic);
        const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
        await admin.setOffsets({ groupId: this.#groupId, topic, partitions });
      }
    } finally {
      await admin.disconnect();
    }
    this.#consumer = this.#kafka.consumer({
      groupId: this.#groupId,
      maxBytesPerPartition: 8 * 1024 * 1024,
      readUncommitted: false,
    });
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics });
    await this.#consumer.run({ autoCommit: false, eachBatch: (payload) => this.#read(payload) });
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

  /** Submitted (event time) to delivered, in milliseconds. */
  latencies(): Histogram {
    const histogram = build({ numberOfSignificantValueDigits: 3 });
    for (const { outcomes } of this.#plugins.values()) {
      for (const [id, { outcome, at }] of outcomes) {
        const since = this.#eventTimes.get(id);
        if (since !== undefined && outcome === "delivered") histogram.recordValue(Math.max(0, at - since));
      }
    }
    return histogram;
  }

  async #read({ batch }: EachBatchPayload): Promise<void> {
    const plugin = this.#pluginOfTopic.get(batch.topic);
    for (const message of batch.messages) {
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
    const id = headerReader(message.headers)(DELIVERY_HEADER.id);
    const copies = this.#plugins.get(plugin)?.copies;
    if (id !== undefined) copies?.set(id, (copies.get(id) ?? 0) + 1);
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
