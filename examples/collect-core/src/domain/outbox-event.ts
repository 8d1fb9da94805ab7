import { EVENT_HEADER } from "@plugboard/contract";

/** What this core calls itself in events: `source` and `ce_source`. */
export const EVENT_SOURCE = "collect-core";

/** One event, written in the transaction of its cause and waiting to be emitted. */
export interface OutboxEvent {
  readonly seq: string;
  readonly type: "onResponse" | "onResponseUpdate" | "onResponseDelete" | "onFormCreation";
  readonly team: string;
  readonly formId: string;
  /** Null for form events. */
  readonly responseId: string | null;
  readonly revision: number | null;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** The record's value: JSON text. */
  readonly data: string;
}

/** A record of the topic `responses`. */
export interface EventRecord {
  readonly key: string;
  readonly value: string;
  readonly headers: Record<string, string>;
}

/** The same for the sync path, the first emission and every repetition of it: receivers recognise a copy by it. */
export function eventId(responseId: string, revision: number): string {
  return `${responseId}.${revision}`;
}

/** A CloudEvent in Kafka's binary mode: attributes in headers, the response in the value. */
export function eventRecord(event: OutboxEvent): EventRecord {
  const { type, team, formId, responseId, revision, at, data } = event;
  const headers: Record<string, string> = {
    [EVENT_HEADER.specversion]: "1.0",
    [EVENT_HEADER.id]: responseId === null ? `form.${formId}` : eventId(responseId, revision ?? 0),
    [EVENT_HEADER.source]: EVENT_SOURCE,
    [EVENT_HEADER.type]: type,
    [EVENT_HEADER.time]: at,
    [EVENT_HEADER.teamId]: team,
    [EVENT_HEADER.formId]: formId,
    [EVENT_HEADER.contentType]: "application/json",
  };
  if (responseId !== null) headers[EVENT_HEADER.subject] = responseId;
  if (revision !== null) headers[EVENT_HEADER.revision] = String(revision);
  return { key: responseId ?? formId, value: data, headers };
}
