import { LANES, type Lane, type PluginTopics, pluginTopics } from "@plugboard/contract";

/** What a topic is the lane of. */
export interface PluginLane {
  readonly plugin: string;
  readonly lane: Lane;
}

/** The topics of plugins' lanes, and the lanes of topics: made once each, at most three for every plugin there is. */
export class LaneTopics {
  readonly #prefix: string;
  readonly #topics = new Map<string, PluginTopics>();
  readonly #lanes = new Map<string, PluginLane>();

  /** @param prefix the setting PLUGIN_TOPIC_PREFIX. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  topicOf(plugin: string, lane: Lane): string {
    let topics = this.#topics.get(plugin);
    if (topics === undefined) {
      topics = pluginTopics(plugin, this.#prefix);
      this.#topics.set(plugin, topics);
      for (const one of LANES) this.#lanes.set(topics[one], { plugin, lane: one });
    }
    return topics[lane];
  }

  /** @param topic an answer of `topicOf`. */
  laneOf(topic: string): PluginLane {
    const lane = this.#lanes.get(topic);
    if (lane === undefined) throw new Error(`${topic} is no plugin's lane`);
    return lane;
  }
}
