import { describe, expect, test } from "@jest/globals";
import {
  coreCommandSchema,
  deliveryRecordSchema,
  enablementSchema,
  pluginEntrySchema,
  pluginTopics,
  registrationSchema,
  routingKeys,
  teamEntrySchema,
  tokenRequestSchema,
} from "../src/index.ts";

const throughJson = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

describe("what crosses a process boundary comes back as it was", () => {
  test.each([
    [
      "a team's routing entry",
      teamEntrySchema,
      {
        v: 12,
        plugins: [
          {
            id: "sms",
            ready: true,
            forms: ["f1"],
            filter: "answers.age > 3",
            mode: "both",
            onFailure: "closed",
            quota: { eventsPerSecond: 0.5, burst: 10 },
          },
          {
            id: "google-sheets",
            ready: false,
            forms: null,
            filter: null,
            mode: "async",
            onFailure: "open",
            quota: null,
          },
        ],
      },
    ],
    [
      "a plugin's routing entry",
      pluginEntrySchema,
      {
        v: 3,
        events: ["onResponse"],
        priorityEvents: [],
        sync: { url: "http://validator:4201/", deadlineMs: 500 },
        state: "disabled",
      },
    ],
    [
      "an outcome",
      deliveryRecordSchema,
      {
        deliveryId: "d",
        plugin: "sms",
        team: "red",
        event: "onResponse",
        source: "core",
        eventId: "1",
        formId: null,
        responseId: "r",
        revision: 2,
        outcome: "retry",
        attempt: 3,
        reason: "busy",
        routeVersion: "1.2",
        origin: "responses/0/5",
        routedAt: "2026-01-01T00:00:00.000Z",
        at: "2026-01-01T00:00:01.000Z",
        durationMs: 12,
        retryAt: "2026-01-01T00:01:00.000Z",
      },
    ],
    [
      "a command to the core",
      coreCommandSchema,
      {
        id: "c",
        type: "flag-response",
        team: "red",
        formId: "f",
        responseId: "r",
        revision: 1,
        plugin: "validator",
        flags: [{ rule: "a", message: "b", fields: ["x"] }],
        at: "2026-01-01T00:00:00.000Z",
      },
    ],
  ] as const)("%s", (_, schema, value) => {
    expect(schema.parse(throughJson(value))).toEqual(value);
  });
});

describe("what is left out has its documented default", () => {
  test("a registration", () => {
    const given = { name: "N", description: "", url: "http://n:1", version: "1", events: [], settings: {} };
    expect(registrationSchema.parse(given)).toEqual({
      ...given,
      actions: [],
      enablements: false,
      sync: null,
      priorityEvents: [],
      publicKey: null,
    });
  });
});

describe("what is not known is refused rather than ignored", () => {
  test.each([
    ["an enablement", enablementSchema, { enabled: true, fitler: "x" }],
    [
      "a registration",
      registrationSchema,
      { name: "N", description: "", url: "http://n:1", version: "1", events: [], settings: {}, colour: "red" },
    ],
    [
      "a registration whose url is no http",
      registrationSchema,
      { name: "N", description: "", url: "file:///etc/passwd", version: "1", events: [], settings: {} },
    ],
    ["a token for a role that is none", tokenRequestSchema, { role: "admin", subject: "me" }],
  ] as const)("%s", (_, schema, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

test("topics are named after the plugin, and an id that is none names no topic", () => {
  expect(pluginTopics("sms", "p.")).toEqual({
    live: "p.sms",
    priority: "p.sms.priority",
    bulk: "p.sms.bulk",
    deadLetter: "p.sms.dlq",
  });
  for (const id of ["", "A", "a.b", "a/b", "a".repeat(65)]) expect(() => pluginTopics(id)).toThrow(/plugin id/);
});

test("all keys of one routing table share a hash slot", () => {
  const keys = routingKeys("x");
  const all = [keys.seq, keys.changes, keys.epoch, keys.plugin("p"), keys.team("t"), keys.ofChange("team:t")];
  for (const key of all) expect(key.startsWith("{x}:")).toBe(true);
  expect(keys.ofChange("team:t")).toBe(keys.team("t"));
});
