import { expect, test } from "@jest/globals";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { testClient, withAdmin } from "../read-topic.ts";

const TOPICS = 20;
const PARTITIONS = 24;

/** Until its broker leads all of a new topic's partitions, kafkajs's own admin gives up: some of these, each time. */
test("offsets are told of topics made this moment", async () => {
  await withAdmin(testClient(testEnvironment().kafkaBrokers), async (admin) => {
    const names = Array.from({ length: TOPICS }, (_, index) => uniqueName(`new-${index}`));
    const topics = names.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: 1 }));
    try {
      await admin.createTopics({ waitForLeaders: false, topics });
      const offsets = await Promise.all(names.map((topic) => admin.fetchTopicOffsets(topic)));
      expect(offsets.map(({ length }) => length)).toEqual(names.map(() => PARTITIONS));
    } finally {
      await admin.deleteTopics({ topics: names });
    }
  });
});
