import type { DeliveryOutcome } from "@plugboard/contract";
import type { RecordCopy } from "../delivery/received.ts";

/** One failed attempt, as the dead letter's history shows it. */
export interface FailedAttempt {
  readonly attempt: number;
  readonly at: string;
  readonly reason: string;
  /** Its span, as a `traceparent`; absent when it was not traced. */
  readonly span?: string | undefined;
}

/** A decided end whose dead letter is still to be written. */
export interface Verdict {
  /** Null for records that are no deliveries. */
  readonly outcome: DeliveryOutcome | null;
  /** For `pb-dead-letter-reason`: an outcome or why the record is malformed. */
  readonly reason: string;
  readonly detail: string;
  readonly attempts: number;
}

/** What an entry waits for; the counted one is `retry`. */
export type WaitingFor =
  | "retry"
  | "settings"
  | "order"
  | "busy"
  | "table"
  | "drain"
  | "turn"
  | "alone"
  | "parked"
  | "dead-letter";

/** An entry taken for one attempt. */
export interface TakenEntry {
  readonly seq: string;
  readonly deliveryId: string;
  readonly team: string;
  readonly record: RecordCopy;
  readonly verdict: Verdict | null;
  readonly history: readonly FailedAttempt[];
  readonly waitingFor: WaitingFor;
  /** What an earlier attempt came to is to be found out before it is repeated. */
  readonly unresolved: boolean;
  /** When it was first stored, milliseconds since 1970. */
  readonly storedAtMs: number;
}

/** A row of `retries` as it is read. */
export interface EntryRow {
  readonly seq: string;
  readonly delivery_id: string;
  readonly team: string;
  readonly record_key: Buffer | null;
  readonly record_value: Buffer | null;
  readonly record_headers: [string, string][];
  readonly origin: string;
  readonly verdict: Verdict | null;
  readonly history: FailedAttempt[];
  readonly waiting_for: WaitingFor;
  readonly unresolved: boolean;
  readonly stored_at: Date;
}

/** The entry that a row stands for. */
export function asEntry(row: EntryRow): TakenEntry {
  return {
    seq: row.seq,
    deliveryId: row.delivery_id,
    team: row.team,
    record: {
      key: row.record_key,
      value: row.record_value,
      headers: row.record_headers.map(([name, value]) => [name, Buffer.from(value, "base64")] as const),
      readFrom: row.origin,
    },
    verdict: row.verdict,
    history: row.history,
    waitingFor: row.waiting_for,
    unresolved: row.unresolved,
    storedAtMs: row.stored_at.getTime(),
  };
}

/** A record's headers as a row has them. */
export function headersText(record: RecordCopy): string {
  return JSON.stringify(record.headers.map(([name, value]) => [name, value.toString("base64")]));
}
