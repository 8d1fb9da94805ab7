import type { Fault } from "./fault.ts";

/** The second of the two brokers that the fragile plugin's topic is on. */
const BROKER = 2;

export const pluginTopicUnwritable: Fault = {
  name: "plugin-topic-unwritable",
  what: "a plugin's topic below min.insync.replicas for 20 s",
  touches: ["brokers", "topics"],
  standsMs: 20_000,
  short: true,
  inject: async ({ kafkaCluster, journal }) => {
    journal.disturbed(`kill -9 of broker ${BROKER + 1}`);
    await kafkaCluster.kill(BROKER);
    return async () => {
      journal.disturbed(`start of broker ${BROKER + 1}`);
      await kafkaCluster.start(BROKER);
    };
  },
};
