import { type Consumer, Kafka, logLevel } from "kafkajs";

/** kafkajs with its own defaults, on the topic that the measurement names; stopped in order, so that what was handled is committed. */
export async function peerConsumer(): Promise<Consumer> {
  const { BENCH_BROKERS = "", BENCH_GROUP = "", BENCH_TOPIC = "" } = process.env;
  const kafka = new Kafka({
    clientId: "kafkajs-consumer",
    brokers: BENCH_BROKERS.split(","),
    logLevel: logLevel.ERROR,
  });
  const consumer = kafka.consumer({ groupId: BENCH_GROUP });
  process.once("SIGTERM", () => void consumer.disconnect().finally(() => process.exit(0)));
  await consumer.connect();
  await consumer.subscribe({ topic: BENCH_TOPIC, fromBeginning: true });
  return consumer;
}
