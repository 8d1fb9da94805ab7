import {
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  deadLetterTopic,
  EVENT_HEADER,
  type EventPriority,
  LANES,
  type Lane,
  pluginTopics,
} from "@plugboard/contract";
import { PARKED_TARGET_HEADER } from "../../apps/router/src/domain/outgoing.ts";
import type { SourceRecord } from "../../apps/router/src/domain/ports.ts";
import type { CopyRecord, History, InputRecord } from "./history.ts";
import type { Load } from "./load.ts";
import { headerText, readTopic } from "./read-topic.ts";
import type { DueTimes } from "./recovery.ts";
import type { Rig } from "./rig.ts";
import {
  ENABLED,
  PARKED,
  PROCESS_PLUGIN,
  QUOTAS,
  RESPONSES,
  ROUTER_GROUP,
  SOURCE,
  STEADY_PLUGIN,
  TOPIC_PLUGINS,
} from "./teams.ts";

const PREFIX = "plugin.";

interface Target {
  readonly plugin: string;
  readonly lane: Lane;
}

/** Everything that is in the topics; routers and plugins must have been stopped. */
export async function gatherHistory(rig: Rig, load: Load): Promise<{ history: History; due: DueTimes }> {
  const partitions = await partitionCounts(rig);
  const read = (topic: string) => readTopic(rig, topic, partitions.get(topic) ?? 0);
  const due = new Map<string, number>();
  const inputs: InputRecord[] = (await read(RESPONSES)).map((record) => asInput(record, due));
  const copies: CopyRecord[] = [];
  const targets = new Map<string, Target>();
  for (const plugin of [...TOPIC_PLUGINS, PROCESS_PLUGIN])
    for (const lane of LANES) targets.set(pluginTopics(plugin)[lane], { plugin, lane });
  for (const [topic, target] of targets)
    for (const record of await read(topic)) copies.push(asCopy(record, target, false));
  if (partitions.has(PARKED))
    for (const record of await read(PARKED)) {
      const topic = headerText(record, PARKED_TARGET_HEADER) ?? "";
      copies.push(asCopy(record, targets.get(topic) ?? { plugin: topic, lane: "live" }, true));
    }
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
    limited: Object.fromEntries(Object.entries(QUOTAS).map(([team, quotas]) => [team, Object.keys(quotas)])),
    inFlightBytesMax: rig.inFlightBytesMax,
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
  const bytes = content.end - content.start;
  const priority = (headerText(record, EVENT_HEADER.priority) ?? null) as EventPriority | null;
  const place = { origin, partition, offset, key, appendedAt: timestampMs, bytes, priority };
  if (id === undefined) return { ...place, id: origin, team: "", poison: content.value?.toString() ?? "" };
  due.set(id, Date.parse(headerText(record, EVENT_HEADER.time) ?? ""));
  return { ...place, id, team: headerText(record, EVENT_HEADER.teamId) ?? "" };
}

function asCopy(record: SourceRecord, { plugin, lane }: Target, parked: boolean): CopyRecord {
  const { partition, offset, timestampMs } = record;
  const header = (name: string) => headerText(record, name) ?? "";
  return {
    plugin,
    lane,
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
