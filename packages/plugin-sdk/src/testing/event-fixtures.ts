import { DELIVERY_HEADER, deliveryId } from "@plugboard/contract";

/** An event as a test sees it; what is left out, the fixture fills in. */
export interface TestEvent {
  readonly team?: string;
  /** Within its source. The same twice is the same delivery twice. */
  readonly id?: string;
  readonly type?: string;
  readonly form?: string | null;
  readonly response?: string | null;
  readonly revision?: number | null;
  /** ISO 8601. */
  readonly time?: string | null;
  readonly data?: Readonly<Record<string, unknown>>;
  /** Further headers, or others in their place. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A test event with everything that a record needs. */
export type WholeTestEvent = Required<TestEvent>;

let events = 0;

/** Fills in what a test does not care about: a new event of a new response of `team-1`, at its first revision. */
export function testEvent(given: TestEvent = {}): WholeTestEvent {
  events += 1;
  return {
    team: "team-1",
    id: `event-${events}`,
    type: "onResponse",
    form: "form-1",
    response: `response-${events}`,
    revision: 1,
    time: null,
    data: { answers: {} },
    headers: {},
    ...given,
  };
}

/** The record that the router makes of an event for a plugin: a binary CloudEvent with the delivery's headers. */
export function routedRecord(plugin: string, event: WholeTestEvent, routeVersion: string) {
  const id = deliveryId(event.team, plugin, "core", event.id);
  const given = {
    ce_specversion: "1.0",
    ce_id: event.id,
    ce_source: "core",
    ce_type: event.type,
    ce_teamid: event.team,
    ce_formid: event.form,
    ce_subject: event.response,
    ce_revision: event.revision,
    ce_time: event.time,
    [DELIVERY_HEADER.id]: id,
    [DELIVERY_HEADER.plugin]: plugin,
    [DELIVERY_HEADER.team]: event.team,
    [DELIVERY_HEADER.routeVersion]: routeVersion,
    [DELIVERY_HEADER.routedAt]: new Date().toISOString(),
    [DELIVERY_HEADER.origin]: `responses/0/${event.id.replace(/\D/g, "") || "0"}`,
    ...event.headers,
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) if (value !== null) headers[name] = String(value);
  return { id, key: event.response, value: JSON.stringify(event.data), headers };
}
