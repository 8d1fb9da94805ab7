import { describe, expect, test } from "@jest/globals";
import { headersOf, parsedValue, summarise } from "../src/record-summary.ts";

const HEADERS = { ce_id: "1", ce_source: "c", ce_type: "onResponse", ce_teamid: "red", ce_formid: "census" };
const record = (value: unknown, headers: Record<string, string> = {}) => ({
  value: value === null ? null : Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
  headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
});
const OUTCOME = {
  deliveryId: "d",
  plugin: "sms",
  team: "red",
  event: "onResponse",
  source: "c",
  eventId: "1",
  formId: null,
  responseId: "r",
  revision: null,
  outcome: "rejected",
  attempt: 2,
  reason: "no phone",
  routeVersion: null,
  origin: null,
  routedAt: null,
  at: "2026-03-01T12:00:00.000Z",
  durationMs: null,
  retryAt: null,
};

describe("a record in one line", () => {
  test.each<[string, ReturnType<typeof record>, string, string | null, string]>([
    ["an event", record({}, HEADERS), "event", "red", "onResponse of red form census"],
    [
      "a delivery",
      record(
        {},
        {
          ...HEADERS,
          "pb-delivery-id": "ab12",
          "pb-team": "red",
          "pb-plugin": "sms",
          "pb-route-version": "3.1",
          "pb-origin": "responses/0/7",
        },
      ),
      "delivery",
      "red",
      "onResponse of red form census to sms by 3.1, from responses/0/7, ab12",
    ],
    [
      "a dead letter",
      record("{", { "pb-dead-letter-reason": "not-json", "pb-dead-letter-detail": "the value\nis not JSON" }),
      "dead-letter",
      null,
      "dead letter (not-json) the value is not JSON",
    ],
    ["an outcome", record(OUTCOME), "outcome", "red", "rejected onResponse of red at sms, attempt 2: no phone"],
    ["nothing", record(null), "other", null, "null"],
    ["other text", record("hello\u001b[31m"), "other", null, "hello [31m"],
  ])("tells %s", (_what, kept, kind, team, text) => {
    expect(summarise(kept)).toEqual({ kind, team, text });
  });

  test("shows no more than a line of a large value, and obeys no control character", () => {
    const { text } = summarise(record(`\u0007${"x".repeat(10_000)}\u009b`));
    expect(text).toHaveLength(200);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left.
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  test("prints values as JSON where they are objects or lists, and as text otherwise", () => {
    expect([
      parsedValue(Buffer.from('{"a":1}')),
      parsedValue(Buffer.from("[1]")),
      parsedValue(Buffer.from("12")),
    ]).toEqual([{ a: 1 }, [1], "12"]);
    expect(headersOf(record({}, HEADERS))).toEqual(HEADERS);
  });
});
