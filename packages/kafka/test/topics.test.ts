import { afterAll, describe, expect, test } from "@jest/globals";
import { DAY_MS, DERIVED_MESSAGE_BYTES_MAX, ensureTopics, type TopicSpec } from "@plugboard/kafka";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { ConfigResourceTypes } from "kafkajs";
import { testClient, withAdmin } from "./read-topic.ts";

const client = testClient(testEnvironment().kafkaBrokers);
const made: string[] = [];

function spec(partitions: number): TopicSpec {
  const topic = uniqueName("topics");
  made.push(topic);
  return { topic, partitions, replicationFactor: 1, retentionMs: 7 * DAY_MS };
}

afterAll(() => withAdmin(client, (admin) => admin.deleteTopics({ topics: made })));

describe("ensureTopics", () => {
  test("creates what is missing, with its partitions, retention and record limit", async () => {
    const wanted = spec(3);
    await withAdmin(client, async (admin) => {
      expect(await ensureTopics(admin, [wanted])).toEqual([wanted.topic]);
      const { topics } = await admin.fetchTopicMetadata({ topics: [wanted.topic] });
      expect(topics[0]?.partitions).toHaveLength(3);
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [
          { type: ConfigResourceTypes.TOPIC, name: wanted.topic, configNames: ["retention.ms", "max.message.bytes"] },
        ],
      });
      const entries = resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]) ?? [];
      expect(Object.fromEntries(entries)).toEqual({
        "retention.ms": String(7 * DAY_MS),
        "max.message.bytes": String(DERIVED_MESSAGE_BYTES_MAX),
      });
    });
  });

  test("leaves an existing topic as it is", async () => {
    const wanted = spec(2);
    await withAdmin(client, async (admin) => {
      await ensureTopics(admin, [wanted]);
      expect(await ensureTopics(admin, [{ ...wanted, partitions: 5 }])).toEqual([]);
      const { topics } = await admin.fetchTopicMetadata({ topics: [wanted.topic] });
      expect(topics[0]?.partitions).toHaveLength(2);
    });
  });

  test("may run twice at once: each topic is created by one of the two", async () => {
    const wanted = [spec(1), spec(1), spec(1)];
    const created = await Promise.all([1, 2].map(() => withAdmin(client, (admin) => ensureTopics(admin, wanted))));
    expect(created.flat().toSorted()).toEqual(wanted.map(({ topic }) => topic).toSorted());
  });
});
