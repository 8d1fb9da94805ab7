import type { KafkaMessage } from "@plugboard/kafka";
import type { RecordCopy } from "../delivery/received.ts";

/**
 * A kafkajs message as a record that can be stored and written again, byte for byte. Only what is bytes is a header: one
 * without a value, which Kafka allows, counts as absent, as the router reads it; and of one named like something every
 * object has (`constructor`), kafkajs takes that for an earlier value.
 */
export function recordCopy(message: KafkaMessage, topic: string, partition: number): RecordCopy {
  const headers: (readonly [name: string, value: Buffer])[] = [];
  for (const name in message.headers) {
    const value = message.headers[name];
    if (Buffer.isBuffer(value)) headers.push([name, value]);
    else if (Array.isArray(value)) for (const item of value) if (Buffer.isBuffer(item)) headers.push([name, item]);
  }
  return { key: message.key, value: message.value, headers, readFrom: `${topic}/${partition}/${message.offset}` };
}
