import { type BaseOptions, compatibilityPartitioner, Producer, stringSerializers } from "@platformatic/kafka";
import { cloudEventHeaders, type ResponseEvent } from "./response-event.ts";

export type StringProducer = Producer<string, string, string, string>;

/** Its own partitioner is not Java's: another writer would put a response's next event into another partition. */
export function platformaticProducer(connection: BaseOptions): StringProducer {
  return new Producer({
    ...connection,
    serializers: stringSerializers,
    partitioner: (message) => compatibilityPartitioner(message, Buffer.from(message.key ?? "")),
    idempotent: true,
    // The defaults, 0 and 0, are taken for an earlier producer's.
    producerId: -1n,
    producerEpoch: -1,
  });
}

/** Emits events as binary CloudEvents. Throws when one was not acknowledged: emit the same events again then. */
export async function emitWithPlatformatic(
  producer: StringProducer,
  topic: string,
  events: readonly ResponseEvent[],
): Promise<void> {
  await producer.send({
    acks: -1,
    messages: events.map((event) => ({
      topic,
      key: event.response,
      value: JSON.stringify(event.data),
      headers: cloudEventHeaders(event),
    })),
  });
}
