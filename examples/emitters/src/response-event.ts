/** What a core tells Plugboard when something happened to a response. */
export interface ResponseEvent {
  /** Unique in the core: the same when the event is emitted again after a failure. */
  readonly id: string;
  /** `onResponse`, `onResponseUpdate`, `onResponseDelete`, … */
  readonly type: string;
  readonly team: string;
  readonly form: string;
  readonly response: string;
  /** Grows by one with every change of the response. */
  readonly revision: number;
  /** ISO 8601. */
  readonly time: string;
  readonly data: { readonly answers: Readonly<Record<string, unknown>>; readonly collector?: string };
}

/** The event's attributes as headers of a binary CloudEvent. */
export function cloudEventHeaders(event: ResponseEvent): Record<string, string> {
  return {
    ce_specversion: "1.0",
    ce_id: event.id,
    ce_source: "core",
    ce_type: event.type,
    ce_subject: event.response,
    ce_time: event.time,
    ce_teamid: event.team,
    ce_formid: event.form,
    ce_revision: String(event.revision),
    "content-type": "application/json",
  };
}
