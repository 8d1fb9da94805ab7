import { describe, expect, test } from "@jest/globals";
import { createLogger, createRegistry, systemClock } from "@plugboard/runtime";
import { OutcomePublisher } from "../../src/delivery/outcome-publisher.ts";
import type { Received } from "../../src/delivery/received.ts";
import { createSdkMetrics } from "../../src/metrics.ts";

const REPORT = { outcome: "delivered", attempt: 1, reason: null, durationMs: 1, retryAt: null } as const;
const received = {
  kind: "delivery",
  id: "d",
  event: {
    id: "e",
    source: "core",
    type: "onResponse",
    teamId: "t",
    formId: null,
    responseId: "r",
    revision: null,
    time: null,
    priority: null,
  },
  data: {},
  orderKey: null,
  routeVersion: null,
  routedAt: null,
  origin: null,
  lane: "live",
  record: { key: null, value: null, headers: [], readFrom: "t/0/0" },
} satisfies Received;

describe("OutcomePublisher", () => {
  test("a flush waits for what was reported before it, not for what others report meanwhile", async () => {
    let sent = 0;
    const registry = createRegistry({ defaultMetrics: false });
    const publisher: OutcomePublisher = new OutcomePublisher({
      plugin: "p",
      topic: "deliveries",
      all: true,
      producer: {
        // Somebody is always at it: whenever a batch is sent, another outcome waits.
        send: async (_topic, records) => {
          await new Promise((resolve) => setImmediate(resolve));
          sent += records.length;
          if (sent < 200) publisher.report(received, REPORT);
        },
      },
      metrics: createSdkMetrics(registry),
      logger: createLogger("test", "silent"),
      clock: systemClock,
    });
    publisher.report(received, REPORT);
    publisher.report(received, REPORT);
    await publisher.flush(60_000);
    expect(sent).toBe(2);
    await publisher.stop();
    expect(sent).toBe(200);
  });
});
