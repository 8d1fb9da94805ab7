import { createHash } from "node:crypto";
import {
  DELIVERY_HEADER,
  decodeEvent,
  deliveryId,
  type EventAttributes,
  type HeaderReader,
  type Lane,
} from "@plugboard/contract";

/** A record as it stood in the topic: bytes unchanged, headers in order, repeated ones kept. */
export interface RecordCopy {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
  /** `<topic>/<partition>/<offset>` this process read it from. */
  readonly readFrom: string;
}

/** A delivery as received from the topic or taken from `retries`. */
export interface Received {
  readonly kind: "delivery";
  readonly id: string;
  readonly event: EventAttributes;
  readonly data: Readonly<Record<string, unknown>>;
  /** Deliveries of one team with the same key are handled one after the other; null when the record has no key. */
  readonly orderKey: string | null;
  readonly routeVersion: string | null;
  readonly routedAt: string | null;
  readonly origin: string | null;
  /** The one it came by, also when it is tried again. */
  readonly lane: Lane;
  readonly record: RecordCopy;
}

/** A record that is no event: a dead letter at once. */
export interface MalformedRecord {
  readonly kind: "malformed";
  /** Deterministic, so that a second reading is recognised. */
  readonly id: string;
  readonly reason: string;
  readonly problems: readonly string[];
  readonly record: RecordCopy;
}

const DELIVERY_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Reads a header as text; of a repeated one the last counts. */
function copyReader(record: RecordCopy): HeaderReader {
  const { headers } = record;
  return (name) => {
    for (let index = headers.length - 1; index >= 0; index -= 1) {
      const header = headers[index];
      if (header?.[0] === name) return header[1].toString("utf8");
    }
    return undefined;
  };
}

/**
 * Decodes a record of a plugin's topic, in any of the three envelopes, with the headers the router added.
 * @param lane the one it came by; told from its topic's name unless given.
 */
export function receive(
  record: RecordCopy,
  plugin: string,
  flatSource: string,
  lane = laneOf(record, plugin),
): Received | MalformedRecord {
  const header = copyReader(record);
  const decoded = decodeEvent(header, record.value, flatSource);
  if (decoded.kind === "malformed") return malformed(record, decoded.reason, decoded.problems);
  const addressee = header(DELIVERY_HEADER.plugin);
  if (addressee !== undefined && addressee !== plugin) {
    return malformed(record, "invalid", [`${DELIVERY_HEADER.plugin}: is for ${addressee}, this is ${plugin}`]);
  }
  let data: Readonly<Record<string, unknown>>;
  try {
    data = decoded.data();
  } catch (error) {
    return malformed(record, "not-json", [`the value is not JSON: ${(error as Error).message}`]);
  }
  const event = decoded.attributes;
  return {
    kind: "delivery",
    id: routedId(header) ?? deliveryId(event.teamId, plugin, event.source, event.id),
    event,
    data,
    orderKey: orderKeyOf(event, record.key),
    routeVersion: header(DELIVERY_HEADER.routeVersion) ?? null,
    routedAt: header(DELIVERY_HEADER.routedAt) ?? null,
    origin: header(DELIVERY_HEADER.origin) ?? null,
    lane,
    record,
  };
}

/** By the topic's name. A plugin's id has no dots, so no live topic ends in one of these. */
function laneOf({ readFrom }: RecordCopy, plugin: string): Lane {
  const [topic = ""] = readFrom.split("/");
  if (topic.endsWith(`${plugin}.priority`)) return "priority";
  return topic.endsWith(`${plugin}.bulk`) ? "bulk" : "live";
}

/** The router's identity, if it looks like one: it becomes a key in the database. */
function routedId(header: HeaderReader): string | undefined {
  const id = header(DELIVERY_HEADER.id);
  return id !== undefined && DELIVERY_ID.test(id) ? id : undefined;
}

/** The response, or else whatever key the record was partitioned by. */
function orderKeyOf(event: EventAttributes, key: Buffer | null): string | null {
  // Postgres' text cannot hold NUL; two ids that differ in nothing else merely take turns.
  if (event.responseId !== null) return `response:${event.responseId.replaceAll("\0", "\ufffd")}`;
  return key === null ? null : `key:${createHash("sha256").update(key).digest("hex")}`;
}

function malformed(record: RecordCopy, reason: string, problems: readonly string[]): MalformedRecord {
  return { kind: "malformed", id: `malformed:${record.readFrom}`, reason, problems, record };
}
