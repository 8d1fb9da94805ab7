import type { Tracing } from "@plugboard/runtime";
import { headerReader } from "../domain/header-reader.ts";
import type { BatchTraces, OutgoingRecord, SourceBatch } from "../domain/ports.ts";
import type { RecordContent } from "../domain/record-content.ts";

/** SpanKind.CONSUMER of OpenTelemetry's API, which is loaded with the SDK only. */
const CONSUMER = 4;

/**
 * A span for each routed event whose `traceparent` is sampled, made when its copies have been acknowledged. The copies carry
 * the core's `traceparent`, as they carry all of the record: what plugins do stands beside the router's span.
 */
export class RouterTraces implements BatchTraces {
  readonly #tracing: Pick<Tracing, "parentOf" | "past">;
  readonly #group: string;

  constructor(tracing: Pick<Tracing, "parentOf" | "past">, group: string) {
    this.#tracing = tracing;
    this.#group = group;
  }

  routed(batch: SourceBatch, outgoing: readonly OutgoingRecord[], beganMs: number): void {
    let topics: Map<RecordContent, string[]> | null = null;
    for (const { content, partition, offset } of batch.records) {
      const parent = content.headerCount === 0 ? null : this.#tracing.parentOf(headerReader(content.headers()));
      if (parent === null) continue;
      topics ??= topicsOf(outgoing);
      const attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": "route",
        "messaging.operation.type": "process",
        "messaging.destination.name": batch.topic,
        "messaging.destination.partition.id": String(partition),
        "messaging.consumer.group.name": this.#group,
        "messaging.kafka.offset": offset,
        "plugboard.topics": topics.get(content) ?? [],
      };
      const options = { kind: CONSUMER, startTime: beganMs, attributes };
      this.#tracing.past(parent, `route ${batch.topic}`, options, Date.now());
    }
  }
}

/** Where each record's copies went. */
function topicsOf(outgoing: readonly OutgoingRecord[]): Map<RecordContent, string[]> {
  const topics = new Map<RecordContent, string[]>();
  for (const { content, topic } of outgoing) {
    const known = topics.get(content);
    if (known === undefined) topics.set(content, [topic]);
    else known.push(topic);
  }
  return topics;
}
