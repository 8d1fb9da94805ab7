import { type DecodedEvent, type Refused, readEventRecord, type trialRequestSchema } from "@plugboard/contract";
import type { z } from "zod";

export type TrialBody = z.output<typeof trialRequestSchema>;

/**
 * Reads a sample by the very reading of the routers, as the record that it would be in the topic.
 * @param flatSource `source` of flat events that name none.
 */
export function readSample({ event, record }: TrialBody, flatSource: string): DecodedEvent | Refused {
  const headers = Object.entries(record?.headers ?? {});
  const headerBytes = headers.reduce((sum, [name, value]) => sum + Buffer.byteLength(name + (value ?? "")), 0);
  const values = new Map(headers);
  return readEventRecord(
    {
      header: (name) => values.get(name) ?? undefined,
      value: record === undefined ? Buffer.from(JSON.stringify(event)) : bytesOf(record.value),
      keyBytes: 0,
      headerBytes,
      headers: headers.length,
    },
    flatSource,
  );
}

function bytesOf(value: unknown): Buffer | null {
  if (value === undefined || value === null) return null;
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
}
