import { waitUntil } from "@plugboard/stack";
import { DOOMED_PLUGIN } from "../teams.ts";
import type { Fault } from "./fault.ts";

/** Copies that were on their way while the brokers forgot the topic one after the other. */
const SPREADING_MS = 2_000;

export const pluginTopicDeleted: Fault = {
  name: "plugin-topic-deleted",
  what: "a plugin's topic deleted for 20 s, then registered anew",
  touches: ["topics", "brokers"],
  standsMs: 20_000,
  quietBeforeMs: 20_000,
  inject: async (rig) => {
    const topic = `plugin.${DOOMED_PLUGIN}`;
    await rig.admin.deleteTopics({ topics: [topic] });
    await waitUntil(`${topic} is gone`, 20_000, async () => {
      return !(await rig.admin.listTopics()).includes(topic) || undefined;
    });
    rig.journal.deletions.push({ topic, until: Date.now() + SPREADING_MS });
    return async () => {
      await rig.calls.register(DOOMED_PLUGIN);
      await rig.stampByBroker(topic);
    };
  },
};
