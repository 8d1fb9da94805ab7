import { FRAGILE_PLUGIN } from "../teams.ts";
import type { Fault } from "./fault.ts";

const TOPIC = `plugin.${FRAGILE_PLUGIN}`;

/**
 * The topic has two replicas and is told to need three: it refuses every write, while nothing else about the cluster changes,
 * so that what others feel of it can be measured. What a dead broker does to it comes with broker-killed: both its replicas are needed.
 */
export const pluginTopicUnwritable: Fault = {
  name: "plugin-topic-unwritable",
  what: "a plugin's topic below min.insync.replicas for 20 s",
  touches: ["topics"],
  standsMs: 20_000,
  quietBeforeMs: 20_000,
  short: true,
  inject: async (rig) => {
    // What was being appended just then may be refused although it is in the log: its producer writes it again.
    rig.journal.disturbed(`${TOPIC} below its minimum`);
    await rig.configureTopic(TOPIC, { "min.insync.replicas": "3" });
    return () => rig.configureTopic(TOPIC, { "min.insync.replicas": "2" });
  },
};
