import { CloudEvent, Kafka, type KafkaMessage } from "cloudevents";
import type { Message, Producer } from "kafkajs";
import type { ResponseEvent } from "./response-event.ts";

/**
 * Emits one event, made and written by the CloudEvents SDK, in either content mode.
 * @param producer see emit-with-kafkajs.
 */
export async function emitWithCloudEvents(
  producer: Producer,
  topic: string,
  event: ResponseEvent,
  mode: "binary" | "structured",
): Promise<void> {
  const attributes = {
    id: event.id,
    source: "core",
    type: event.type,
    subject: event.response,
    time: event.time,
    datacontenttype: "application/json",
    // The SDK makes it the record's key.
    partitionkey: event.response,
    teamid: event.team,
    formid: event.form,
    revision: event.revision,
  };
  const message =
    mode === "structured"
      ? Kafka.structured(new CloudEvent({ ...attributes, data: event.data }))
      : // In binary mode the SDK hands data on as it is: it has to be text already.
        Kafka.binary(new CloudEvent({ ...attributes, data: JSON.stringify(event.data) }));
  await producer.send({ topic, acks: -1, messages: [asKafkajs(message)] });
}

/** kafkajs writes text; the SDK leaves numbers as they are, and names attributes that have no value. */
function asKafkajs({ key, value, headers }: KafkaMessage): Message {
  const given = Object.entries(headers).filter(([, header]) => header !== undefined && header !== null);
  return {
    key: key as string,
    value: value as string,
    headers: Object.fromEntries(given.map(([name, header]) => [name, String(header)])),
  };
}
