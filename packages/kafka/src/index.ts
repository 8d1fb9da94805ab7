export * from "./client.ts";
export * from "./headers.ts";
export * from "./kafka-access.ts";
export { type OutgoingRecord, SafeProducer, type SafeProducerOptions } from "./safe-producer.ts";
export * from "./topics.ts";
export type { Asked } from "./why-refused.ts";
