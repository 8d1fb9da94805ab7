import { type Kafka, Partitioners, type Producer } from "kafkajs";
import { cloudEventHeaders, type ResponseEvent } from "./response-event.ts";

/** kafkajs's default partitioner has been Java's since version 2; naming it silences the warning about that. */
export function kafkajsProducer(kafka: Kafka): Producer {
  return kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
}

/**
 * Emits one event as a binary CloudEvent. One `send` for each: a `send` of kafkajs that spans several partitions loses
 * acknowledged records when a leader changes. Throws when it was not acknowledged: emit the same event again then.
 */
export async function emitWithKafkajs(producer: Producer, topic: string, event: ResponseEvent): Promise<void> {
  await producer.send({
    topic,
    acks: -1,
    messages: [{ key: event.response, value: JSON.stringify(event.data), headers: cloudEventHeaders(event) }],
  });
}
