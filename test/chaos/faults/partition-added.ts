import { RESPONSES } from "../teams.ts";
import type { Fault } from "./fault.ts";

export const partitionAdded: Fault = {
  name: "partition-added",
  what: "one more partition of responses",
  touches: ["responses", "routers"],
  standsMs: 0,
  inject: async ({ admin }) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [RESPONSES] });
    const count = (topics[0]?.partitions.length ?? 0) + 1;
    await admin.createPartitions({ topicPartitions: [{ topic: RESPONSES, count }] });
    return async () => {};
  },
};
