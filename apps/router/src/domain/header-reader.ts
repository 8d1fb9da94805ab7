import type { HeaderReader } from "@plugboard/contract";
import type { RecordHeader } from "./header-text.ts";

/**
 * Reads a record's headers as text; of a repeated header the last one counts (as in Java's `lastHeader`). Compares names
 * as bytes: most look-ups miss or end at the length, and no string is made for a header nobody asked for.
 */
export function headerReader(headers: readonly RecordHeader[]): HeaderReader {
  return (name) => {
    for (let index = headers.length - 1; index >= 0; index -= 1) {
      const header = headers[index];
      if (header !== undefined && header[0].length === name.length && header[0].toString("latin1") === name)
        return header[1] === null ? undefined : header[1].toString("utf8");
    }
    return undefined;
  };
}
