import type { KafkaMessage } from "@plugboard/kafka";
import type { RecordCopy } from "../delivery/received.ts";

/** A kafkajs message as a record that can be stored and written again, byte for byte. */
export function recordCopy(message: KafkaMessage, topic: string, partition: number): RecordCopy {
  const headers = Object.entries(message.headers ?? {}).flatMap(([name, value]) =>
    [value].flat().flatMap((item) => (item === undefined ? [] : [[name, Buffer.from(item)] as const])),
  );
  return { key: message.key, value: message.value, headers, readFrom: `${topic}/${partition}/${message.offset}` };
}
