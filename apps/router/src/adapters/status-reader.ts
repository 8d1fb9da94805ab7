import { LANES, type Lane } from "@plugboard/contract";
import type { RoutingTable } from "@plugboard/routing-table";
import {
  type Clock,
  type Component,
  checkHealth,
  type HealthCheck,
  type StartSafety,
  version,
} from "@plugboard/runtime";
import type { Registry } from "prom-client";
import type { Sink } from "../domain/ports.ts";
import type { Quotas } from "../domain/quotas.ts";
import type { RouterStatus } from "../domain/router-status.ts";
import type { KafkaSource } from "./kafka-source.ts";
import { Throughput } from "./throughput.ts";

const USED_UP_SHOWN_MAX = 20;

export interface StatusSources {
  readonly instance: string | null;
  readonly delivery: RouterStatus["delivery"];
  readonly allowUnsafe: boolean;
  readonly group: string;
  readonly topic: string;
  readonly inFlightBytesMax: number;
  readonly checks: readonly HealthCheck[];
  readonly registry: Registry;
  readonly source: Pick<KafkaSource, "status" | "membership" | "watch">;
  readonly sink: Pick<Sink, "unwritable">;
  readonly quotas: Pick<Quotas, "kept" | "usedUp">;
  readonly table: Pick<RoutingTable, "position" | "stalenessSeconds">;
  readonly safety: Pick<StartSafety, "findings">;
  readonly clock: Clock;
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
}

/** Gathers the status when somebody asks: from the metrics, and from what the parts know of themselves. */
export class StatusReader implements Component {
  readonly name = "status";
  readonly #from: StatusSources;
  readonly #startedAt: number;
  readonly #throughput: Throughput;

  constructor(sources: StatusSources) {
    this.#from = sources;
    this.#startedAt = sources.clock.now();
    this.#throughput = new Throughput(async () => {
      const records = await this.#sum("router_records_in_total");
      return { records, copies: await this.#sum("router_copies_total") };
    }, sources.clock);
  }

  async start(): Promise<void> {
    this.#throughput.start();
  }

  async stop(): Promise<void> {
    await this.#throughput.stop();
  }

  async read(): Promise<RouterStatus> {
    const { instance, delivery, checks, safety, allowUnsafe, quotas, sink, clock } = this.#from;
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    return {
      version,
      instance,
      startedAt: new Date(this.#startedAt).toISOString(),
      uptimeSeconds: (now - this.#startedAt) / 1_000,
      delivery,
      health: await checkHealth(checks),
      safety: { allowUnsafe, findings: safety.findings },
      group: this.#group(),
      throughput: await this.#throughput.current(),
      inFlight: { bytes: await this.#sum("router_in_flight_bytes"), limitBytes: this.#from.inFlightBytesMax },
      plugins: await this.#plugins(),
      quotas: { routes: quotas.kept, usedUp: quotas.usedUp(monotonic, USED_UP_SHOWN_MAX) },
      unwritable: sink.unwritable().map(({ topic, why, parking, sinceMs }) => ({
        topic,
        why,
        parking,
        forSeconds: (monotonic - sinceMs) / 1_000,
      })),
      parked: (await this.#samples("router_parked_total"))
        .filter(({ value }) => value > 0)
        .map(({ labels, value }) => ({ topic: String(labels.topic), copies: value })),
      table: await this.#table(),
      trouble: {
        rewinds: await this.#sum("router_rewinds_total"),
        produceFailures: await this.#sum("router_produce_failures_total"),
        offsetsLost: await this.#sum("router_offsets_lost_total"),
        malformed: await this.#sum("router_malformed_total"),
        filterErrors: await this.#sum("router_filter_errors_total"),
      },
    };
  }

  #group(): RouterStatus["group"] {
    const { group: id, topic, source } = this.#from;
    const { joined, consumer } = source.membership;
    const partitions = source
      .status()
      .map(({ partition, lagRecords, oldestAgeMs }) => ({
        partition,
        lagRecords,
        oldestAgeSeconds: oldestAgeMs / 1_000,
      }))
      .toSorted((one, other) => one.partition - other.partition);
    return {
      id,
      topic,
      memberIds: joined && consumer.memberId ? [consumer.memberId] : [],
      generation: joined ? (consumer.generationId ?? null) : null,
      topicPartitions: source.watch.partitions,
      lagRecords: partitions.reduce((sum, { lagRecords }) => sum + lagRecords, 0),
      partitions,
    };
  }

  async #plugins(): Promise<RouterStatus["plugins"]> {
    const overQuota = new Map(
      (await this.#samples("router_over_quota_total")).map(({ labels, value }) => [labels.plugin, value]),
    );
    const copies = new Map<string, Map<Lane, number>>();
    for (const { labels, value } of await this.#samples("router_copies_total")) {
      const lanes = copies.get(String(labels.plugin)) ?? new Map<Lane, number>();
      copies.set(String(labels.plugin), lanes.set(labels.lane as Lane, value));
    }
    return [...copies]
      .map(([plugin, lanes]) => ({
        plugin,
        copies: Object.fromEntries(LANES.map((lane) => [lane, lanes.get(lane) ?? 0])) as Record<Lane, number>,
        overQuota: overQuota.get(plugin) ?? 0,
      }))
      .toSorted((one, other) => one.plugin.localeCompare(other.plugin, "en"));
  }

  async #table(): Promise<RouterStatus["table"]> {
    const { table } = this.#from;
    const staleness = table.stalenessSeconds();
    return {
      ...table.position(),
      stalenessSeconds: Number.isFinite(staleness) ? staleness : null,
      entries: await this.#sum("routing_table_l1_entries"),
      hits: await this.#sum("routing_table_l1_hits_total"),
      misses: await this.#sum("routing_table_l1_misses_total"),
      resets: await this.#sum("routing_table_resets_total"),
    };
  }

  async #sum(metric: string): Promise<number> {
    return (await this.#samples(metric)).reduce((sum, { value }) => sum + value, 0);
  }

  /** None of a metric that there is not: a test may stand in for the table. */
  async #samples(metric: string): Promise<readonly Sample[]> {
    return (await this.#from.registry.getSingleMetric(metric)?.get())?.values ?? [];
  }
}
