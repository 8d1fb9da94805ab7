import { DELIVERY_HEADER, deadLetterTopic } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import type { CopyRecord } from "./check-history.ts";
import { headerText, readTopic } from "./read-topic.ts";
import type { Rig } from "./rig.ts";
import { PROCESS_PLUGIN } from "./teams.ts";

const EFFECTS_MS = 120_000;

/** What became of the copies in the topic of the plugin that runs as a process. */
export interface EffectFindings {
  readonly effects: number;
  readonly deadLetters: number;
  /** Deliveries with neither effect nor dead letter. */
  readonly withoutEffect: readonly string[];
  /** Dead letters that the vendor never refused and that never hung. */
  readonly unexpectedDeadLetters: readonly string[];
}

/** Waits until the plugin has done all it can do: its consumer is at the end, and nothing waits for a retry. */
export async function effectsDone(rig: Rig): Promise<void> {
  const topic = `plugin.${PROCESS_PLUGIN}`;
  const [plugin] = rig.plugins;
  await waitUntil("the plugin has handled everything", EFFECTS_MS, async () => {
    const ends = await rig.admin.fetchTopicOffsets(topic);
    const [group] = await rig.admin.fetchOffsets({ groupId: `plugboard.${PROCESS_PLUGIN}`, topics: [topic] });
    const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    const read = ends.every(({ partition, high }) => Math.max(0, committed.get(partition) ?? 0) >= Number(high));
    return (read && (await plugin?.metric("plugin_retries_waiting")) === 0) || undefined;
  });
}

/** @param troubled deliveries that may become dead letters: those made while the vendor was in trouble. */
export async function checkEffects(
  rig: Rig,
  copies: readonly CopyRecord[],
  troubled: (copy: CopyRecord) => boolean,
): Promise<EffectFindings> {
  const topic = deadLetterTopic(`plugin.${PROCESS_PLUGIN}`);
  const { topics } = await rig.admin.fetchTopicMetadata();
  const partitions = topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
  const records = partitions === 0 ? [] : await readTopic(rig.kafka, topic, partitions);
  const dead = new Set(records.map(({ message }) => headerText(message, DELIVERY_HEADER.id) ?? ""));
  const wanted = new Map(copies.filter(({ plugin }) => plugin === PROCESS_PLUGIN).map((copy) => [copy.delivery, copy]));
  return {
    effects: rig.sink.effects.size,
    deadLetters: dead.size,
    withoutEffect: [...wanted.keys()].filter((id) => !rig.sink.effects.has(id) && !dead.has(id)),
    unexpectedDeadLetters: [...dead].filter((id) => {
      const copy = wanted.get(id);
      return copy === undefined || !troubled(copy);
    }),
  };
}
