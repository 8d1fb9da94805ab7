import { DEAD_LETTER_HEADER, DELIVERY_HEADER, deadLetterTopic, EVENT_HEADER } from "@plugboard/contract";
import type { CopyRecord, History, InputRecord } from "./check-history.ts";
import type { Load } from "./load.ts";
import { headerText, type ReadRecord, readTopic } from "./read-topic.ts";
import type { DueTimes } from "./recovery.ts";
import type { Rig } from "./rig.ts";
import { ENABLED, PARKED, PROCESS_PLUGIN, RESPONSES, SOURCE, STEADY_PLUGIN, TOPIC_PLUGINS } from "./teams.ts";

const PREFIX = "plugin.";

/** Everything that is in the topics; routers and plugins must have been stopped, for markers are written. */
export async function gatherHistory(rig: Rig, load: Load): Promise<{ history: History; due: DueTimes }> {
  const partitions = await partitionCounts(rig);
  const read = (topic: string) => readTopic(rig.kafka, topic, partitions.get(topic) ?? 0);
  const due = new Map<string, number>();
  const inputs: InputRecord[] = (await read(RESPONSES)).map((record) => asInput(record, due));
  const copies: CopyRecord[] = [];
  for (const plugin of [...TOPIC_PLUGINS, PROCESS_PLUGIN])
    for (const record of await read(`${PREFIX}${plugin}`)) copies.push(asCopy(record, plugin, false));
  if (partitions.has(PARKED))
    for (const record of await read(PARKED))
      copies.push(asCopy(record, (headerText(record.message, "pb-parked-target") ?? "").slice(PREFIX.length), true));
  const deadLetters = (await read(deadLetterTopic(RESPONSES))).map(
    ({ message }) => headerText(message, DEAD_LETTER_HEADER.origin) ?? "no origin",
  );
  const { journal } = rig;
  const history: History = {
    delivery: rig.options.delivery,
    source: SOURCE,
    inputs,
    committed: await rig.committed("plugboard-router", RESPONSES),
    acknowledged: load.acknowledged,
    copies,
    deadLetters,
    poison: journal.poison,
    enabled: ENABLED,
    steadyPlugin: STEADY_PLUGIN,
    changes: journal.changes,
    windows: journal.windows,
    disturbances: journal.disturbances,
    deletions: journal.deletions.map(({ topic, until }) => ({ plugin: topic.slice(PREFIX.length), until })),
  };
  return { history, due };
}

async function partitionCounts({ admin }: Rig): Promise<ReadonlyMap<string, number>> {
  const { topics } = await admin.fetchTopicMetadata();
  return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
}

function asInput({ message, partition, offset, timestampMs }: ReadRecord, due: Map<string, number>): InputRecord {
  const origin = `${RESPONSES}/${partition}/${offset}`;
  const id = headerText(message, EVENT_HEADER.id);
  const key = message.key?.toString() ?? "";
  const place = { origin, partition, offset, key, appendedAt: timestampMs };
  if (id === undefined) return { ...place, id: origin, team: "", poison: message.value?.toString() ?? "" };
  due.set(id, Date.parse(headerText(message, EVENT_HEADER.time) ?? ""));
  return { ...place, id, team: headerText(message, EVENT_HEADER.teamId) ?? "" };
}

function asCopy({ message, partition, offset, timestampMs }: ReadRecord, plugin: string, parked: boolean): CopyRecord {
  const header = (name: string) => headerText(message, name) ?? "";
  return {
    plugin,
    partition,
    offset,
    parked,
    origin: header(DELIVERY_HEADER.origin),
    delivery: header(DELIVERY_HEADER.id),
    team: header(DELIVERY_HEADER.team),
    appendedAt: timestampMs,
    // A router whose clock is ahead says a later time than its copy's arrival: no later than that it was routed.
    routedAt: Math.min(Date.parse(header(DELIVERY_HEADER.routedAt)), timestampMs),
  };
}
