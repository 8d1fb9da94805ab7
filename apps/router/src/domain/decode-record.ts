import { type DecodedEvent, type Refused, readEventRecord } from "@plugboard/contract";
import { headerReader } from "./header-reader.ts";
import type { SourceRecord } from "./ports.ts";

/**
 * Reads a record as an event, or says why it is none. A binary CloudEvent is read from its headers alone.
 * @param flatSource `source` of flat events that name none.
 */
export function decodeRecord(record: SourceRecord, flatSource: string): DecodedEvent | Refused {
  const { key, value, headers } = record;
  return readEventRecord(
    {
      header: headerReader(headers),
      value,
      keyBytes: key?.byteLength ?? 0,
      headerBytes: headerBytes(record),
      headers: headers.length,
    },
    flatSource,
  );
}

function headerBytes(record: SourceRecord): number {
  let bytes = 0;
  for (const [name, value] of record.headers) bytes += name.byteLength + (value?.byteLength ?? 0);
  return bytes;
}
