import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type DecodedEvent, decodeEvent, EVENT_HEADER, type EventAttributes, type Malformed } from "../src/index.ts";

const none = () => undefined;
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const headers = (values: Record<string, string>) => (name: string) => values[name];

const ATTRIBUTES: EventAttributes = {
  id: "e-1",
  source: "core",
  type: "onResponse",
  teamId: "red",
  formId: "intake",
  responseId: "r-1",
  revision: 3,
  time: "2026-01-02T03:04:05.678Z",
  priority: "urgent",
};
const DATA = { answers: { age: 41, name: "Ana" }, collector: "c1" };

const binaryHeaders = (attributes: EventAttributes) =>
  headers({
    [EVENT_HEADER.specversion]: "1.0",
    [EVENT_HEADER.id]: attributes.id,
    [EVENT_HEADER.source]: attributes.source,
    [EVENT_HEADER.type]: attributes.type,
    [EVENT_HEADER.teamId]: attributes.teamId,
    [EVENT_HEADER.formId]: attributes.formId ?? "",
    [EVENT_HEADER.subject]: attributes.responseId ?? "",
    [EVENT_HEADER.revision]: String(attributes.revision),
    [EVENT_HEADER.time]: attributes.time ?? "",
    ...(attributes.priority !== null && { [EVENT_HEADER.priority]: attributes.priority }),
  });
const structured = (attributes: EventAttributes, data: unknown) => ({
  specversion: "1.0",
  id: attributes.id,
  source: attributes.source,
  type: attributes.type,
  teamid: attributes.teamId,
  formid: attributes.formId,
  subject: attributes.responseId,
  revision: attributes.revision,
  time: attributes.time,
  priority: attributes.priority,
  data,
});
const flat = (attributes: EventAttributes, data: unknown) => ({
  id: attributes.id,
  team_id: attributes.teamId,
  event: attributes.type,
  form_id: attributes.formId,
  response_id: attributes.responseId,
  revision: attributes.revision,
  occurred_at: attributes.time,
  priority: attributes.priority,
  data,
});

function event(decoded: DecodedEvent | Malformed): DecodedEvent {
  if (decoded.kind === "malformed") throw new Error(`malformed: ${decoded.problems.join("; ")}`);
  return decoded;
}

describe("the three envelopes", () => {
  const ways = [
    ["binary", binaryHeaders(ATTRIBUTES), bytes(DATA)],
    ["structured", none, bytes(structured(ATTRIBUTES, DATA))],
    ["flat", none, bytes(flat(ATTRIBUTES, DATA))],
  ] as const;

  test.each(ways)("%s carries the same attributes and data", (envelope, header, value) => {
    const decoded = event(decodeEvent(header, value, "core"));
    expect(decoded.envelope).toBe(envelope);
    expect(decoded.attributes).toEqual(ATTRIBUTES);
    expect(decoded.data()).toEqual(DATA);
  });

  test("structured data that an SDK wrote as bytes is the same data", () => {
    const { data, ...attributes } = structured(ATTRIBUTES, DATA);
    const asBytes = { ...attributes, data_base64: bytes(data).toString("base64") };
    expect(event(decodeEvent(none, bytes(asBytes), "core")).data()).toEqual(DATA);
    const noJson = event(decodeEvent(none, bytes({ ...attributes, data_base64: "AP8=" }), "core"));
    expect(() => noJson.data()).toThrow(SyntaxError);
  });

  test("any event survives all three alike", () => {
    const id = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
    const attributes = fc.record({
      id: fc.string({ minLength: 1, maxLength: 40 }),
      source: fc.constant("core"),
      type: fc.constantFrom("onResponse", "onResponseUpdate", "x.y-z_1"),
      teamId: id,
      formId: fc.string({ minLength: 1, maxLength: 40 }),
      responseId: fc.string({ minLength: 1, maxLength: 40 }),
      revision: fc.nat(),
      time: fc
        .date({ min: new Date(0), max: new Date("9999-01-01"), noInvalidDate: true })
        .map((date) => date.toISOString()),
      priority: fc.constantFrom(null, "urgent" as const, "bulk" as const),
    });
    fc.assert(
      fc.property(attributes, (expected) => {
        for (const [header, value] of [
          [binaryHeaders(expected), bytes(DATA)],
          [none, bytes(structured(expected, DATA))],
          [none, bytes(flat(expected, DATA))],
        ] as const) {
          expect(event(decodeEvent(header, value, "core")).attributes).toEqual(expected);
        }
      }),
    );
  });

  test("binary values are not parsed before they are asked for", () => {
    const decoded = event(decodeEvent(binaryHeaders(ATTRIBUTES), bytes("{broken"), "core"));
    expect(decoded.attributes.teamId).toBe("red");
    expect(() => decoded.data()).toThrow(SyntaxError);
  });

  test("numeric ids of cores that count are read as text", () => {
    const decoded = event(decodeEvent(none, bytes({ ...flat(ATTRIBUTES, DATA), id: 7, team_id: 42 }), "core"));
    expect([decoded.attributes.id, decoded.attributes.teamId]).toEqual(["7", "42"]);
  });

  test.each([[undefined], [null], ["normal"], ["URGENT"], [""], [7], [{}]])(
    "a priority of %j says nothing",
    (given) => {
      const way = { ...flat(ATTRIBUTES, DATA), priority: given };
      for (const value of [way, { ...structured(ATTRIBUTES, DATA), priority: given }])
        expect(event(decodeEvent(none, bytes(value), "core")).attributes).toEqual({ ...ATTRIBUTES, priority: null });
      // One that takes the way of the schema, too.
      expect(event(decodeEvent(none, bytes({ ...way, id: 7 }), "core")).attributes.priority).toBeNull();
    },
  );

  test("a flat event's own source wins over the setting", () => {
    const decoded = event(decodeEvent(none, bytes({ ...flat(ATTRIBUTES, DATA), source: "kobo" }), "core"));
    expect(decoded.attributes.source).toBe("kobo");
  });
});

describe("what is no event", () => {
  const cases: [string, string | null, Malformed["reason"], RegExp][] = [
    ["nothing at all", null, "empty", /neither ce_\* headers nor a value/],
    ["text", "hello", "not-json", /not JSON/],
    ["a list", "[1]", "not-an-object", /not an object/],
    ["no team", '{"id":"1","event":"onResponse"}', "no-team", /^team_id: is missing$/],
    ["no event", '{"id":"1","team_id":"red"}', "no-event", /^event: is missing$/],
    ["no id", '{"team_id":"red","event":"onResponse"}', "invalid", /^id: is missing$/],
    [
      "a team that cannot be one",
      '{"id":"1","team_id":"Red!","event":"onResponse"}',
      "invalid",
      /^team_id: a team id must be/,
    ],
    [
      "a time that is none",
      '{"id":"1","team_id":"red","event":"onResponse","occurred_at":"soon"}',
      "invalid",
      /^occurred_at: /,
    ],
  ];
  test.each(cases)("%s is malformed and says why", (_, value, reason, problem) => {
    const decoded = decodeEvent(none, value === null ? null : bytes(value), "core");
    expect(decoded).toMatchObject({ kind: "malformed", reason });
    expect((decoded as Malformed).problems.join("\n")).toMatch(problem);
  });

  test("all problems are told at once, by the names of the envelope", () => {
    const decoded = decodeEvent(headers({ ce_id: "1", ce_teamid: "NO", ce_revision: "x", ce_time: "y" }), null, "core");
    expect((decoded as Malformed).problems.map((line) => line.split(":")[0])).toEqual([
      "ce_source",
      "ce_type",
      "ce_teamid",
      "ce_revision",
      "ce_time",
    ]);
  });

  test("no bytes make it throw", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.dictionary(fc.constantFrom("ce_id", "ce_type"), fc.string()),
        (value, given) => {
          expect(["event", "malformed"]).toContain(decodeEvent(headers(given), value, "core").kind);
        },
      ),
    );
  });
});
