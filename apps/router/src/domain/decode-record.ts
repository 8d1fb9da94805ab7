import {
  DERIVED_HEADROOM_BYTES,
  type DecodedEvent,
  decodeEvent,
  type Malformed,
  RECORD_BYTES_MAX,
} from "@plugboard/contract";
import { headerReader } from "./header-reader.ts";
import type { SourceRecord } from "./ports.ts";

/** Why a record goes to the dead-letter topic. */
export interface Refused {
  readonly kind: "malformed";
  readonly reason: Malformed["reason"] | "too-large";
  readonly problems: readonly string[];
}

/** What delivery headers (ids of at most 64 characters, an origin) and the batch around a record can add, bytes. */
const ADDED_BYTES_MAX = 4 * 1024;
/** Key, value and headers together: what still fits into a derived topic once the router has added its headers. */
const WHOLE_BYTES_MAX = RECORD_BYTES_MAX + DERIVED_HEADROOM_BYTES - ADDED_BYTES_MAX;
/**
 * Most headers of a record. Plugins read copies with kafkajs, whose time grows with the square of their number: 5 ms for
 * these, 20 s for 10,000, in which a plugin loses its partitions, and so does the next one that takes them.
 */
export const HEADERS_MAX = 256;

/**
 * Reads a record as an event, or says why it is none. A binary CloudEvent is read from its headers alone.
 * @param flatSource `source` of flat events that name none.
 */
export function decodeRecord(record: SourceRecord, flatSource: string): DecodedEvent | Refused {
  const bytes = record.value?.byteLength ?? 0;
  if (bytes > RECORD_BYTES_MAX) {
    const problems = [`the value is ${bytes} bytes long; the limit is ${RECORD_BYTES_MAX}`];
    return { kind: "malformed", reason: "too-large", problems };
  }
  const whole = bytes + (record.key?.byteLength ?? 0) + headerBytes(record);
  if (whole > WHOLE_BYTES_MAX) {
    const problems = [`key, value and headers are ${whole} bytes long together; the limit is ${WHOLE_BYTES_MAX}`];
    return { kind: "malformed", reason: "too-large", problems };
  }
  if (record.headers.length > HEADERS_MAX) {
    const problems = [`the record has ${record.headers.length} headers; the limit is ${HEADERS_MAX}`];
    return { kind: "malformed", reason: "too-large", problems };
  }
  return decodeEvent(headerReader(record.headers), record.value, flatSource);
}

function headerBytes(record: SourceRecord): number {
  let bytes = 0;
  for (const [name, value] of record.headers) bytes += name.byteLength + (value?.byteLength ?? 0);
  return bytes;
}
