import { compatibilityPartitioner, type MessageToProduce } from "@platformatic/kafka";
import { DELIVERY_HEADER, deliveryId } from "@plugboard/contract";
import { createProducer } from "../bench-kafka.ts";
import type { Report } from "../progress.ts";
import { teamId, type Workload } from "../workload.ts";

/** Where deliveries are written. */
export interface DeliveryTopic {
  readonly topic: string;
  readonly partitions: number;
  /** Whose topic it is, and what its topics' names begin with. */
  readonly plugin: string;
  readonly prefix: string;
}

type Message = MessageToProduce<Buffer, Buffer, Buffer, Buffer>;

/** Older than the entry of any team that was enabled: no plugin's table is behind it. */
const ROUTE_VERSION = "1.1";
const RECORDS_PER_SEND = 2_000;
/** The envelope of the workload is flat: such events are the core's. */
const SOURCE = "core";

/** What a router makes of an event for a plugin: its own bytes and key, with a router's seven headers. */
export function deliveryMessage(
  workload: Workload,
  serial: number,
  { topic, partitions, plugin }: DeliveryTopic,
): Message {
  const { key, value, headers } = workload.record(serial);
  const team = teamId(workload.teamOf(serial));
  const added: readonly (readonly [string, string])[] = [
    [DELIVERY_HEADER.plugin, plugin],
    [DELIVERY_HEADER.routeVersion, ROUTE_VERSION],
    [DELIVERY_HEADER.team, team],
    [DELIVERY_HEADER.event, "onResponse"],
    [DELIVERY_HEADER.id, deliveryId(team, plugin, SOURCE, workload.eventId(serial))],
    [DELIVERY_HEADER.routedAt, new Date().toISOString()],
    [DELIVERY_HEADER.origin, `responses/0/${serial}`],
  ];
  for (const [name, text] of added) headers.set(Buffer.from(name), Buffer.from(text));
  return { topic, partition: compatibilityPartitioner({ topic, value }, key) % partitions, key, value, headers };
}

/** Writes the deliveries of a workload's first so many events, in order. */
export async function produceDeliveries(
  workload: Workload,
  records: number,
  { brokers, to, report }: { readonly brokers: string; readonly to: DeliveryTopic; readonly report: Report },
): Promise<void> {
  const producer = createProducer(brokers);
  try {
    for (let from = 0; from < records; from += RECORDS_PER_SEND) {
      const count = Math.min(RECORDS_PER_SEND, records - from);
      const messages = Array.from({ length: count }, (_, index) => deliveryMessage(workload, from + index, to));
      await producer.send({ messages, acks: -1 });
      report(`${from + count} of ${records} deliveries written`);
    }
  } finally {
    await producer.close(true);
  }
}
