import { deadLetterTopic, type Refused } from "@plugboard/contract";
import type { ResolvedTeam } from "@plugboard/routing-table";
import type { Clock } from "@plugboard/runtime";
import { decodeRecord } from "../domain/decode-record.ts";
import { type EventLine, eventLine } from "../domain/event-line.ts";
import { LaneTopics } from "../domain/lane-topics.ts";
import {
  type CopyContext,
  copyContext,
  deadLetter,
  deliveryCopy,
  filterErrorRecord,
  originOf,
  type ReadRecord,
} from "../domain/outgoing.ts";
import type { PlannedRoute } from "../domain/planned-team.ts";
import type { EventTimes, OutgoingRecord, RouterMetrics, Routes, SourceBatch, SourceRecord } from "../domain/ports.ts";
import { Quotas } from "../domain/quotas.ts";
import { routeEvent } from "../domain/route-event.ts";

/** Names the router writes to and a flat event's source. */
export interface RoutingNames {
  readonly pluginTopicPrefix: string;
  readonly deliveriesTopic: string;
  readonly flatSource: string;
}

/** A batch with everything it leads to. */
export interface RoutedBatch {
  readonly batch: SourceBatch;
  readonly outgoing: readonly OutgoingRecord[];
  /** When its routing began, milliseconds since 1970. */
  readonly beganMs: number;
  readonly malformed: readonly { readonly origin: string; readonly refused: Refused }[];
  /** Of each routed record. */
  readonly times: EventTimes;
  /** One for each of `times`, for the debug log; null while that is off: nothing is gathered then. */
  readonly lines: readonly EventLine[] | null;
}

/** What a batch leads to, gathered while it is routed; counted once per batch, for counters with labels are dear. */
interface Collected {
  readonly outgoing: OutgoingRecord[];
  /** By topic. */
  readonly copies: Map<string, number>;
  /** By plugin. */
  readonly overQuota: Map<string, number>;
  readonly unmatched: Map<string, number>;
  readonly lines: EventLine[] | null;
}

class Times implements EventTimes {
  count = 0;
  readonly eventMs: Float64Array;
  readonly recordMs: Float64Array;

  constructor(countMax: number) {
    this.eventMs = new Float64Array(countMax);
    this.recordMs = new Float64Array(countMax);
  }

  add(eventTime: string | null, recordMs: number): void {
    this.eventMs[this.count] = eventTime === null ? Number.NaN : Date.parse(eventTime);
    this.recordMs[this.count] = recordMs;
    this.count += 1;
  }
}

function tally(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Routes batches; holds names that were made once, and what is left of teams' quotas. */
export class BatchRouter {
  readonly #routes: Routes;
  readonly #names: RoutingNames;
  readonly #metrics: RouterMetrics;
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  readonly #wide: () => boolean;
  readonly #topics: LaneTopics;
  readonly #quotas = new Quotas();

  /** For those who look, not for those who route. */
  get quotas(): Pick<Quotas, "kept" | "usedUp"> {
    return this.#quotas;
  }

  /** @param wide whether a line per event is to be logged, asked once per batch. */
  constructor(
    routes: Routes,
    names: RoutingNames,
    metrics: RouterMetrics,
    clock: Pick<Clock, "now" | "monotonic">,
    wide: () => boolean,
  ) {
    this.#routes = routes;
    this.#names = names;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#wide = wide;
    this.#topics = new LaneTopics(names.pluginTopicPrefix);
  }

  /**
   * Decode → resolve the batch's teams in one call → decide for each event and plugin. Waits while the table cannot answer.
   * @throws the signal's reason when the partitions are revoked meanwhile.
   */
  async route(batch: SourceBatch): Promise<RoutedBatch> {
    const decoded = batch.records.map(({ content }) => decodeRecord(content, this.#names.flatSource));
    const teams = new Set<string>();
    for (const event of decoded) if (event.kind === "event") teams.add(event.attributes.teamId);
    const resolved = teams.size === 0 ? new Map() : await this.#routes.resolve([...teams], batch.revoked);
    const beganMs = this.#clock.now();
    const routedAt = new Date(beganMs).toISOString();
    this.#quotas.begin(this.#clock.monotonic(), batch.share);
    const collected: Collected = {
      outgoing: [],
      copies: new Map(),
      overQuota: new Map(),
      unmatched: new Map(),
      lines: this.#wide() ? [] : null,
    };
    const { outgoing, lines } = collected;
    const malformed: { origin: string; refused: Refused }[] = [];
    const times = new Times(decoded.length);
    for (const [index, event] of decoded.entries()) {
      const record = batch.records[index] as SourceRecord;
      const origin = originOf(batch.topic, record);
      switch (event.kind) {
        case "malformed":
          this.#metrics.malformed(event.reason);
          malformed.push({ origin, refused: event });
          outgoing.push(deadLetter(record, event, origin, routedAt, deadLetterTopic(batch.topic)));
          break;
        case "event": {
          const { attributes, data } = event;
          const read = { record, event: attributes, origin, routedAt };
          this.#routeOne(read, data, resolved.get(attributes.teamId), collected);
          times.add(attributes.time, record.timestampMs);
          break;
        }
        default:
          event satisfies never;
      }
    }
    this.#count(collected);
    return { batch, outgoing, beganMs, malformed, times, lines };
  }

  #routeOne(
    read: ReadRecord,
    data: () => object,
    resolved: ResolvedTeam | null | undefined,
    { outgoing, copies, overQuota, unmatched, lines }: Collected,
  ): void {
    const routing = routeEvent(read.event, data, resolved, this.#quotas);
    lines?.push(eventLine(read.event, read.origin, routing));
    if (routing.kind === "nobody") {
      tally(unmatched, routing.reason);
      return;
    }
    const { routes, outcomes } = routing;
    // Many events go to nobody: what copies share is made for the first one.
    let context: CopyContext | undefined;
    for (const [index, outcome] of outcomes.entries()) {
      const route = routes[index] as PlannedRoute;
      switch (outcome.kind) {
        case "copy": {
          context ??= copyContext(read);
          const topic = this.#topics.topicOf(outcome.plugin, outcome.lane);
          tally(copies, topic);
          if (outcome.overQuota) tally(overQuota, outcome.plugin);
          outgoing.push(deliveryCopy(context, route.headers(read.event.teamId, read.event.type), topic));
          break;
        }
        case "unmatched":
          tally(unmatched, outcome.reason);
          break;
        case "filter-error": {
          tally(unmatched, "filter-error");
          this.#metrics.filterError(outcome.plugin);
          outgoing.push(
            filterErrorRecord(read, outcome.plugin, route.version, outcome.detail, this.#names.deliveriesTopic),
          );
          break;
        }
        default:
          outcome satisfies never;
      }
    }
  }

  #count({ copies, overQuota, unmatched }: Collected): void {
    for (const [topic, count] of copies) {
      const { plugin, lane } = this.#topics.laneOf(topic);
      this.#metrics.copiesOut(plugin, lane, topic, count);
    }
    for (const [plugin, count] of overQuota) this.#metrics.overQuota(plugin, count);
    for (const [reason, count] of unmatched) this.#metrics.unmatched(reason, count);
  }
}
