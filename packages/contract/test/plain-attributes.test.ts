import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { eventAttributesSchema, plainAttributes } from "../src/event.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom(
    "team-1",
    "a",
    "A",
    "onResponse",
    "",
    "x".repeat(64),
    "x".repeat(65),
    "x".repeat(128),
    "x".repeat(129),
  ),
  fc.constantFrom("x".repeat(512), "x".repeat(513), "😀".repeat(300), "team-1\n", "onResponse\n", "12"),
);
const odd = fc.constantFrom(
  null,
  undefined,
  0,
  -0,
  7,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  true,
  [],
  {},
);
const time = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom("2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-01-01T00:00:00+02:00", "2026-01-01", "now"),
);
const value = fc.oneof({ weight: 4, arbitrary: text }, odd, time);
const raw = fc.record({
  id: value,
  source: value,
  type: fc.oneof(fc.constant("onResponse"), value),
  teamId: fc.oneof(fc.constant("team"), value),
  formId: fc.oneof(fc.constant(null), value),
  responseId: fc.oneof(fc.constant(null), value),
  revision: fc.oneof(fc.constant(null), fc.integer(), value),
  time: fc.oneof(fc.constant(null), time, value),
  priority: fc.oneof(fc.constantFrom(undefined, null, "urgent", "bulk", "Urgent", ""), value),
});

test("what is read without the schema is what the schema would have read", () => {
  let plain = 0;
  fc.assert(
    fc.property(raw, (attributes) => {
      const quick = plainAttributes(attributes);
      if (quick === null) return;
      plain += 1;
      expect(eventAttributesSchema.safeParse(attributes)).toEqual({ success: true, data: quick });
    }),
    { numRuns: 5_000 },
  );
  expect(plain).toBeGreaterThan(100);
});

test("an ordinary event is read without the schema", () => {
  const event = {
    id: "evt-1",
    source: "core",
    type: "onResponse",
    teamId: "team-1",
    formId: "form",
    responseId: "r-1",
    revision: 1,
    time: "2026-11-21T10:00:00.000Z",
    priority: null,
  };
  expect(plainAttributes(event)).toEqual(event);
  expect(plainAttributes({ ...event, priority: undefined })).toEqual(event);
});
