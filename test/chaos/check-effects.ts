import { DELIVERY_HEADER, deadLetterTopic } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import type { CopyRecord } from "./check-history.ts";
import { headerText, readTopic } from "./read-topic.ts";
import type { Rig } from "./rig.ts";
import { PROCESS_PLUGIN } from "./teams.ts";

const EFFECTS_MS = 240_000;
const GROUP = `plugboard.${PROCESS_PLUGIN}`;

/** What became of the copies in the topic of the plugin that runs as a process. */
export interface EffectFindings {
  readonly effects: number;
  readonly deadLetters: number;
  /** Deliveries with neither effect nor dead letter. */
  readonly withoutEffect: readonly string[];
  /** Those of copies that the plugin has not committed yet: late, and not lost. */
  readonly backlog: readonly string[];
  /** Dead letters that the vendor never refused and that never hung. */
  readonly unexpectedDeadLetters: readonly string[];
}

/** Waits until the plugin has done all it can do: its consumer is at the end, and nothing waits for a retry. */
export async function effectsDone(rig: Rig): Promise<void> {
  const topic = `plugin.${PROCESS_PLUGIN}`;
  const [plugin] = rig.plugins;
  await waitUntil("the plugin has handled everything", EFFECTS_MS, async () => {
    const ends = await rig.admin.fetchTopicOffsets(topic);
    const committed = await rig.committed(GROUP, topic);
    const read = ends.every(({ partition, high }) => (committed.get(partition) ?? 0) >= Number(high));
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
  const records = partitions === 0 ? [] : await readTopic(rig, topic, partitions);
  const dead = new Set(records.map((record) => headerText(record, DELIVERY_HEADER.id) ?? ""));
  const wanted = new Map(
    copies.filter(({ plugin, parked }) => plugin === PROCESS_PLUGIN && !parked).map((copy) => [copy.delivery, copy]),
  );
  const committed = await rig.committed(GROUP, `plugin.${PROCESS_PLUGIN}`);
  const missing = [...wanted.values()].filter(({ delivery }) => !rig.sink.effects.has(delivery) && !dead.has(delivery));
  const isCommitted = ({ partition, offset }: CopyRecord) => offset < (committed.get(partition) ?? 0);
  return {
    effects: rig.sink.effects.size,
    deadLetters: dead.size,
    withoutEffect: missing.filter(isCommitted).map(({ delivery }) => delivery),
    backlog: missing.filter((copy) => !isCommitted(copy)).map(({ delivery }) => delivery),
    unexpectedDeadLetters: [...dead].filter((id) => {
      const copy = wanted.get(id);
      return copy === undefined || !troubled(copy);
    }),
  };
}
