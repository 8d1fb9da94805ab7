import type { DecodedEvent, HeaderReader, Malformed } from "./decode-event.ts";
import { decodeEvent } from "./decode-event.ts";
import { DERIVED_HEADROOM_BYTES, RECORD_BYTES_MAX } from "./topics.ts";

/** What delivery headers (ids of at most 64 characters, an origin) and the batch around a record can add, bytes. */
const ADDED_BYTES_MAX = 4 * 1024;
/** Key, value and headers together: what still fits into a derived topic once the router has added its headers. */
const WHOLE_BYTES_MAX = RECORD_BYTES_MAX + DERIVED_HEADROOM_BYTES - ADDED_BYTES_MAX;
/**
 * Most headers of a record. Plugins read copies with kafkajs, whose time grows with the square of their number: 5 ms for
 * these, 20 s for 10,000, in which a plugin loses its partitions, and so does the next one that takes them.
 */
export const HEADERS_MAX = 256;

/** Why a record goes to the dead-letter topic. */
export interface Refused {
  readonly kind: "malformed";
  readonly reason: Malformed["reason"] | "too-large";
  readonly problems: readonly string[];
}

/** A record as far as its event goes, whatever the Kafka client. */
export interface EventRecord {
  readonly header: HeaderReader;
  readonly value: Uint8Array | null;
  readonly keyBytes: number;
  /** Names and values together. */
  readonly headerBytes: number;
  readonly headers: number;
}

/**
 * Reads a record of `responses` as an event, or says why it goes to the dead-letter topic: the one reading of the router
 * and of whoever tells what the router would do.
 * @param flatSource `source` of flat events that name none.
 */
export function readEventRecord(record: EventRecord, flatSource: string): DecodedEvent | Refused {
  const problem = tooLarge(record);
  if (problem !== null) return { kind: "malformed", reason: "too-large", problems: [problem] };
  return decodeEvent(record.header, record.value, flatSource);
}

function tooLarge({ value, keyBytes, headerBytes, headers }: EventRecord): string | null {
  const bytes = value?.byteLength ?? 0;
  if (bytes > RECORD_BYTES_MAX) return `the value is ${bytes} bytes long; the limit is ${RECORD_BYTES_MAX}`;
  const whole = bytes + keyBytes + headerBytes;
  if (whole > WHOLE_BYTES_MAX)
    return `key, value and headers are ${whole} bytes long together; the limit is ${WHOLE_BYTES_MAX}`;
  return headers > HEADERS_MAX ? `the record has ${headers} headers; the limit is ${HEADERS_MAX}` : null;
}
