import { type DecodedEvent, type Refused, readEventRecord } from "@plugboard/contract";
import { headerReader } from "./header-reader.ts";
import type { RecordHeader } from "./header-text.ts";
import type { RecordContent } from "./record-content.ts";

/**
 * Reads a record as an event, or says why it is none. A binary CloudEvent is read from its headers alone.
 * @param flatSource `source` of flat events that name none.
 */
export function decodeRecord(content: RecordContent, flatSource: string): DecodedEvent | Refused {
  const headers = content.headerCount === 0 ? NO_HEADERS : content.headers();
  return readEventRecord(
    {
      header: headerReader(headers),
      value: content.value,
      keyBytes: Math.max(0, content.keyLength),
      headerBytes: headerBytes(headers),
      headers: headers.length,
    },
    flatSource,
  );
}

const NO_HEADERS: readonly RecordHeader[] = [];

function headerBytes(headers: readonly RecordHeader[]): number {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.byteLength + (value?.byteLength ?? 0);
  return bytes;
}
