import { pluginIdSchema } from "./ids.ts";
import type { Lane } from "./routing.ts";

/** Extra bytes a derived topic accepts over its input, for the headers the router adds. */
export const DERIVED_HEADROOM_BYTES = 64 * 1024;
/** Largest record value accepted from `responses`, in bytes: Kafka's own default limit for a topic. */
export const RECORD_BYTES_MAX = 1024 * 1024;

/** The lanes of one plugin, and its dead letters. */
export interface PluginTopics {
  readonly live: string;
  readonly priority: string;
  readonly bulk: string;
  readonly deadLetter: string;
}

/**
 * Names of a plugin's topics.
 * @param prefix the setting `PLUGIN_TOPIC_PREFIX`, `plugin.` unless changed.
 */
export function pluginTopics(plugin: string, prefix = "plugin."): PluginTopics {
  const live = `${prefix}${pluginIdSchema.parse(plugin)}`;
  return { live, priority: `${live}.priority`, bulk: `${live}.bulk`, deadLetter: `${live}.dlq` };
}

/**
 * Each lane of a plugin is read by a consumer group of its own.
 * @param group that of the live lane.
 */
export function laneGroup(group: string, lane: Lane): string {
  return lane === "live" ? group : `${group}.${lane}`;
}

/** Where records that are no events go, beside the topic they came from. */
export function deadLetterTopic(topic: string): string {
  return `${topic}.dlq`;
}

/** The routers' group that brings parked copies back. @param group that in which they share the events. */
export function parkedGroup(group: string): string {
  return `${group}.parked`;
}
