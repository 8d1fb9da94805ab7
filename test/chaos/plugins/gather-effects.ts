import {
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  type DeliveryRecord,
  deadLetterTopic,
  EVENT_HEADER,
  LANES,
  type Lane,
  laneGroup,
  pluginTopics,
} from "@plugboard/contract";
import type { SourceRecord } from "../../../apps/router/src/domain/ports.ts";
import { headerText, readTopic } from "../read-topic.ts";
import type { DeadLetter, DeliveryRow, EffectHistory, PluginCopy, PublishedOutcome } from "./effect-history.ts";
import type { PluginRig } from "./plugin-rig.ts";
import type { Kind, Payload } from "./roster.ts";
import { spentDeadlinesIn } from "./spent-deadlines.ts";
import type { Landed } from "./vendor.ts";

const DELIVERIES = "deliveries";

/** Everything that is in the topics, the plugins' tables and the vendor's books; the plugins must have been stopped. */
export async function gatherEffects(rig: PluginRig, acknowledged: ReadonlySet<string>): Promise<EffectHistory> {
  const partitions = await partitionCounts(rig);
  const read = (topic: string) => readTopic(rig, topic, partitions.get(topic) ?? 0);
  const copies: PluginCopy[] = [];
  const deadLetters: DeadLetter[] = [];
  const rows = new Map<string, DeliveryRow>();
  const landed: Landed[] = [...rig.vendor.landed];
  const waiting: string[] = [];
  for (const kind of rig.options.kinds) {
    for (const lane of LANES) {
      const topic = pluginTopics(kind)[lane];
      const committed = await rig.committed(laneGroup(`plugboard.${kind}`, lane), topic);
      for (const record of await read(topic)) copies.push(asCopy(record, kind, lane, committed));
    }
    deadLetters.push(...(await read(deadLetterTopic(pluginTopics(kind).live))).map(asDeadLetter));
    for (const { id, ...row } of await rowsOf(rig, kind)) rows.set(id, row);
    if (kind === "ledger") landed.push(...(await ledgerOf(rig)));
    const left = await rig.query<{ delivery_id: string; waiting_for: string }>(kind, "SELECT * FROM retries");
    waiting.push(...left.map(({ delivery_id, waiting_for }) => `${kind} ${delivery_id} waits for: ${waiting_for}`));
  }
  const { journal, vendor, freezes } = rig;
  const outcomes = (await read(DELIVERIES)).map(asOutcome);
  const { disturbances } = journal;
  return {
    acknowledged,
    copies,
    rows,
    landed,
    troubles: vendor.troubles,
    spent: spentDeadlinesIn(rig.instances.map(({ service }) => service.logFile)),
    outcomes,
    deadLetters,
    waiting,
    disturbances,
    freezes,
  };
}

async function partitionCounts({ admin }: PluginRig): Promise<ReadonlyMap<string, number>> {
  const { topics } = await admin.fetchTopicMetadata();
  return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
}

function asCopy(record: SourceRecord, kind: Kind, lane: Lane, committed: ReadonlyMap<number, number>): PluginCopy {
  const header = (name: string) => headerText(record, name) ?? "";
  const { doomed } = JSON.parse(record.content.value?.toString() ?? "{}") as Payload;
  return {
    kind,
    id: header(DELIVERY_HEADER.id),
    team: header(DELIVERY_HEADER.team),
    response: header(EVENT_HEADER.subject),
    revision: Number(header(EVENT_HEADER.revision)),
    doomed,
    lane,
    appendedAt: record.timestampMs,
    committed: record.offset < (committed.get(record.partition) ?? 0),
  };
}

function asDeadLetter(record: SourceRecord): DeadLetter {
  const header = (name: string) => headerText(record, name) ?? "";
  return {
    id: header(DELIVERY_HEADER.id),
    detail: header(DEAD_LETTER_HEADER.detail),
    attempts: Number(header(DEAD_LETTER_HEADER.attempts)),
    history: JSON.parse(header(DEAD_LETTER_HEADER.history)) as DeadLetter["history"],
    at: Date.parse(header(DEAD_LETTER_HEADER.at)),
  };
}

function asOutcome({ content }: SourceRecord): PublishedOutcome {
  const { deliveryId: id, outcome, reason } = JSON.parse(content.value?.toString() ?? "{}") as DeliveryRecord;
  return { id, outcome, reason };
}

function rowsOf(rig: PluginRig, kind: Kind): Promise<(DeliveryRow & { readonly id: string })[]> {
  return rig.query(
    kind,
    `SELECT id, state, outcome, reason, attempts, (extract(epoch FROM lease_until) * 1000)::float8 AS "leaseUntil",
       (extract(epoch FROM settled_at) * 1000)::float8 AS "settledAt" FROM deliveries`,
  );
}

async function ledgerOf(rig: PluginRig): Promise<Landed[]> {
  return await rig.query(
    "ledger",
    `SELECT 'ledger' AS kind, delivery AS id, delivery AS key, response, revision, instance, false AS orphaned,
       (extract(epoch FROM at) * 1000)::float8 AS at, (extract(epoch FROM at) * 1000)::float8 AS "sentAt" FROM effects ORDER BY place`,
  );
}
