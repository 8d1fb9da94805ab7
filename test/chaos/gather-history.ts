import { DEAD_LETTER_HEADER, DELIVERY_HEADER, deadLetterTopic, EVENT_HEADER } from "@plugboard/contract";
import type { SourceRecord } from "../../apps/router/src/domain/ports.ts";
import type { CopyRecord, History, InputRecord } from "./check-history.ts";
import type { Load } from "./load.ts";
import { headerText, readTopic } from "./read-topic.ts";
import type { DueTimes } from "./recovery.ts";
import type { Rig } from "./rig.ts";
import {
  ENABLED,
  PARKED,
  PROCESS_PLUGIN,
  RESPONSES,
  ROUTER_GROUP,
  SOURCE,
  STEADY_PLUGIN,
  TOPIC_PLUGINS,
} from "./teams.ts";

const PREFIX = "plugin.";

/** Everything that is in the topics; routers and plugins must have been stopped. */
export async function gatherHistory(rig: Rig, load: Load): Promise<{ history: History; due: DueTimes }> {
  const partitions = await partitionCounts(rig);
  const read = (topic: string) => readTopic(rig, topic, partitions.get(topic) ?? 0);
  const due = new Map<string, number>();
  const inputs: InputRecord[] = (await read(RESPONSES)).map((record) => asInput(record, due));
  const copies: CopyRecord[] = [];
  for (const plugin of [...TOPIC_PLUGINS, PROCESS_PLUGIN])
    for (const record of await read(`${PREFIX}${plugin}`)) copies.push(asCopy(record, plugin, false));
  if (partitions.has(PARKED))
    for (const record of await read(PARKED))
      copies.push(asCopy(record, (headerText(record, "pb-parked-target") ?? "").slice(PREFIX.length), true));
  const deadLetters = (await read(deadLetterTopic(RESPONSES))).map(
    (record) => headerText(record, DEAD_LETTER_HEADER.origin) ?? "no origin",
  );
  const { journal } = rig;
  const history: History = {
    delivery: rig.options.delivery,
    source: SOURCE,
    inputs,
    committed: await rig.committed(ROUTER_GROUP, RESPONSES),
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

function asInput(record: SourceRecord, due: Map<string, number>): InputRecord {
  const { partition, offset, timestampMs, content } = record;
  const origin = `${RESPONSES}/${partition}/${offset}`;
  const id = headerText(record, EVENT_HEADER.id);
  const key = content.key?.toString() ?? "";
  const place = { origin, partition, offset, key, appendedAt: timestampMs };
  if (id === undefined) return { ...place, id: origin, team: "", poison: content.value?.toString() ?? "" };
  due.set(id, Date.parse(headerText(record, EVENT_HEADER.time) ?? ""));
  return { ...place, id, team: headerText(record, EVENT_HEADER.teamId) ?? "" };
}

function asCopy(record: SourceRecord, plugin: string, parked: boolean): CopyRecord {
  const { partition, offset, timestampMs } = record;
  const header = (name: string) => headerText(record, name) ?? "";
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
