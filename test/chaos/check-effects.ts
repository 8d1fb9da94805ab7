import { DELIVERY_HEADER, deadLetterTopic, LANES, type Lane, laneGroup, pluginTopics } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import type { CopyRecord } from "./history.ts";
import { headerText, readTopic } from "./read-topic.ts";
import type { Rig } from "./rig.ts";
import { PROCESS_PLUGIN } from "./teams.ts";

const EFFECTS_MS = 240_000;
const GROUP = `plugboard.${PROCESS_PLUGIN}`;
const TOPICS = pluginTopics(PROCESS_PLUGIN);

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

/** Waits until the plugin has done all it can do: its consumers are at the end of its lanes, and nothing waits for a retry. */
export async function effectsDone(rig: Rig): Promise<void> {
  const [plugin] = rig.plugins;
  await waitUntil("the plugin has handled everything", EFFECTS_MS, async () => {
    for (const lane of LANES) if (!(await isRead(rig, lane).catch(() => false))) return undefined;
    return (await plugin?.metric("plugin_retries_waiting")) === 0 || undefined;
  });
}

/** Whether the plugin has committed everything that is in a lane. */
async function isRead(rig: Rig, lane: Lane): Promise<boolean> {
  const ends = await rig.admin.fetchTopicOffsets(TOPICS[lane]);
  const committed = await committedOf(rig, lane);
  return ends.every(({ partition, high }) => (committed.get(partition) ?? 0) >= Number(high));
}

/** What the plugin's group of a lane has committed, by partition. */
function committedOf(rig: Rig, lane: Lane): Promise<ReadonlyMap<number, number>> {
  return rig.committed(laneGroup(GROUP, lane), TOPICS[lane]);
}

/** Reads what became of the copies, and judges it. @param troubled see {@link Effects}. */
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
  const committed = new Map<Lane, ReadonlyMap<number, number>>();
  for (const lane of LANES) committed.set(lane, await committedOf(rig, lane));
  const own = copies.filter(({ plugin, parked }) => plugin === PROCESS_PLUGIN && !parked);
  return judgeEffects({ copies: own, effects: new Set(rig.sink.effects.keys()), dead, committed, troubled });
}

/** What became of the plugin's deliveries. */
export interface Effects {
  /** All in the plugin's lanes. */
  readonly copies: readonly CopyRecord[];
  /** Deliveries that had their effect, and those that are dead letters. */
  readonly effects: ReadonlySet<string>;
  readonly dead: ReadonlySet<string>;
  /** By lane and partition. */
  readonly committed: ReadonlyMap<Lane, ReadonlyMap<number, number>>;
  /** Deliveries that may become dead letters: those made while the vendor was in trouble. */
  readonly troubled: (copy: CopyRecord) => boolean;
}

export function judgeEffects({ copies, effects, dead, committed, troubled }: Effects): EffectFindings {
  const wanted = new Map(copies.map((copy) => [copy.delivery, copy]));
  const missing = [...wanted.values()].filter(({ delivery }) => !effects.has(delivery) && !dead.has(delivery));
  const isCommitted = ({ lane, partition, offset }: CopyRecord) => offset < (committed.get(lane)?.get(partition) ?? 0);
  return {
    effects: effects.size,
    deadLetters: dead.size,
    withoutEffect: missing.filter(isCommitted).map(({ delivery }) => delivery),
    backlog: missing.filter((copy) => !isCommitted(copy)).map(({ delivery }) => delivery),
    unexpectedDeadLetters: [...dead].filter((id) => {
      const copy = wanted.get(id);
      return copy === undefined || !troubled(copy);
    }),
  };
}
