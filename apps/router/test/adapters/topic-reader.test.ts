import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Producer } from "@platformatic/kafka";
import { uniqueName } from "@plugboard/stack";
import { TopicReader } from "../../src/adapters/topic-reader.ts";
import { Installation } from "../router-harness.ts";

const at = new Installation();
beforeAll(() => at.open([], { partitions: 1 }));
afterAll(() => at.close());

/** A producer of transactions on one partition. */
function writer() {
  const client = new Producer({
    clientId: "test",
    bootstrapBrokers: at.kafkaBrokers.split(","),
    transactionalId: uniqueName("transactions"),
    idempotent: true,
    producerId: -1n,
    producerEpoch: -1,
  });
  client.on("error", () => {});
  return client;
}

test("what was aborted is not read, whichever of two transactions that overlap is ended first", async () => {
  const [one, other] = [writer(), writer()];
  const topic = at.responses;
  const messages = (text: string) => ({ messages: [{ topic, partition: 0, value: Buffer.from(text) }] });
  const first = await one.beginTransaction();
  await first.send(messages("aborted last"));
  const second = await other.beginTransaction();
  await second.send(messages("aborted first"));
  await second.abort();
  await first.send(messages("aborted last"));
  await first.abort();
  const third = await other.beginTransaction();
  await third.send(messages("committed"));
  await third.commit();
  await Promise.all([one.close(true), other.close(true)]);

  const settings = { KAFKA_BROKERS: at.kafkaBrokers.split(","), KAFKA_TLS: false };
  const reader = new TopicReader({ kafka: settings, groupId: uniqueName("reader"), topic });
  const offset = await reader.first(0);
  const read = await reader.read(0, offset);
  await reader.close();
  if (read.kind !== "records") throw new Error(read.kind);
  expect(read.records.map(({ content }) => content.value?.toString())).toEqual(["committed"]);
  expect(read.next).toBe(read.end);
});
