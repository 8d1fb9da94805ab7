import { RESPONSES } from "../teams.ts";
import type { Fault } from "./fault.ts";

export const brokerKilled: Fault = {
  name: "broker-killed",
  what: "kill -9 of a broker that leads partitions of responses, started again",
  touches: ["brokers", "topics"],
  standsMs: 8_000,
  short: true,
  inject: async ({ kafkaCluster, admin, journal }, dice) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [RESPONSES] });
    const leaders = topics.flatMap((topic) => topic.partitions.map(({ leader }) => leader));
    // Kafka counts its brokers from 1, the cluster from 0.
    const broker = dice.oneOf(leaders) - 1;
    journal.disturbed(`kill -9 of broker ${broker + 1}`);
    await kafkaCluster.kill(broker);
    return async () => {
      journal.disturbed(`start of broker ${broker + 1}`);
      await kafkaCluster.start(broker);
    };
  },
};
