import type { KafkaMessage } from "@plugboard/kafka";
import type { RecordCopy } from "../delivery/received.ts";

/**
 * A kafkajs message as a record that can be stored and written again, byte for byte. Only what is bytes is a header: one
 * without a value, which Kafka allows, counts as absent, as the router reads it; and of one named like something every
 * object has (`constructor`), kafkajs takes that for an earlier value.
 */
export function recordCopy(message: KafkaMessage, topic: string, partition: number): RecordCopy {
  const headers = Object.entries(message.headers ?? {}).flatMap(([name, value]) =>
    [value].flat().flatMap((item) => (Buffer.isBuffer(item) ? [[name, item] as const] : [])),
  );
  return { key: message.key, value: message.value, headers, readFrom: `${topic}/${partition}/${message.offset}` };
}
