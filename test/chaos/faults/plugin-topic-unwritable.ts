import type { Fault } from "./fault.ts";

/** The second of the two brokers that the fragile plugin's topic is on, and both are needed. */
const BROKER = 2;

/**
 * One topic of all that cannot be written. Only a broker that is missing makes one so: Kafka asks for no more replicas than a topic has,
 * whatever its min.insync.replicas says.
 */
export const pluginTopicUnwritable: Fault = {
  name: "plugin-topic-unwritable",
  what: "a plugin's topic below min.insync.replicas for 30 s",
  touches: ["brokers", "topics"],
  standsMs: 30_000,
  quietBeforeMs: 20_000,
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
