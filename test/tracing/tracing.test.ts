import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { ADMIN_TOKEN, PlugboardUnderTest } from "../plugboard-under-test.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

const WAIT_MS = 60_000;
const CONSUMER = 5;
const SERVER = 2;
const OK = 0;
const ERROR = 2;
const CORE_SPAN = "00f067aa0ba902b7";
const trace = (digit: string, flags = "01") => {
  const traceId = digit.repeat(32);
  return { traceId, traceparent: `00-${traceId}-${CORE_SPAN}-${flags}` };
};

describe("a trace that the core began", () => {
  const collector = new OtlpReceiver();
  /** The `traceparent` that each path was called with. */
  const calls = new Map<string, string | undefined>();
  const vendor = createServer((request, response) => {
    calls.set(request.url ?? "", request.headers.traceparent as string | undefined);
    response.end();
  });
  let plugboard: PlugboardUnderTest;

  beforeAll(async () => {
    await collector.start();
    vendor.listen(0, "127.0.0.1");
    await once(vendor, "listening");
    plugboard = await PlugboardUnderTest.open();
    const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    await plugboard.startPlugin(
      "traced",
      { ...traced, TRACED_VENDOR_URL: `http://127.0.0.1:${(vendor.address() as AddressInfo).port}` },
      "test/tracing/traced-plugin.ts",
    );
    await plugboard.enable("team-a", "traced");
    await plugboard.startRouter(traced);
  }, 180_000);
  afterAll(async () => {
    await plugboard?.close();
    await collector.stop();
    vendor.closeAllConnections();
    vendor.close();
  }, 60_000);

  const spansOf = async (traceId: string, count: number) =>
    await waitUntil(`${count} spans of ${traceId}`, WAIT_MS, async () => {
      const spans = collector.spans.filter((span) => span.traceId === traceId);
      return spans.length >= count ? spans : undefined;
    });

  test("goes on through the router and each attempt of the handler to what that calls", async () => {
    const unsampled = trace("a", "00");
    const { traceId, traceparent } = trace("b");
    await plugboard.emit([
      { team: "team-a", id: "unsampled", response: "r", traceparent: unsampled.traceparent },
      { team: "team-a", id: "untraced", response: "r" },
      { team: "team-a", id: "sampled", response: "r", traceparent },
    ]);
    const spans = await spansOf(traceId, 3);
    const routed = spans.find(({ service }) => service === "plugboard-router");
    expect(routed).toMatchObject({ name: `route ${plugboard.responses}`, parentSpanId: CORE_SPAN, kind: CONSUMER });
    const topic = `${plugboard.name}.plugin.traced`;
    expect(routed?.attributes).toMatchObject({ "messaging.system": "kafka", "plugboard.topics": [topic] });
    const attempts = spans.filter(({ service }) => service === "plugboard-traced");
    const [first, second] = attempts.toSorted(
      (one, other) => Number(one.attributes["plugboard.attempt"]) - Number(other.attributes["plugboard.attempt"]),
    );
    expect(first).toMatchObject({
      name: `process ${topic}`,
      parentSpanId: CORE_SPAN,
      kind: CONSUMER,
      statusCode: ERROR,
      links: [],
      attributes: { "plugboard.attempt": 1, "plugboard.outcome": "retry", "messaging.message.id": "sampled" },
    });
    expect(second).toMatchObject({
      parentSpanId: CORE_SPAN,
      statusCode: OK,
      links: [{ traceId, spanId: first?.spanId }],
      attributes: { "plugboard.attempt": 2, "plugboard.outcome": "delivered" },
    });
    expect(calls.get("/events/sampled")).toBe(`00-${traceId}-${second?.spanId}-01`);
    await waitUntil("the others are handled", WAIT_MS, async () => calls.has("/events/unsampled") || undefined);
    expect(calls.get("/events/unsampled")).toBeUndefined();
    expect(new Set(collector.spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
  }, 120_000);

  test("goes on through the manager to a plugin's action and to what that calls", async () => {
    const { traceId, traceparent } = trace("c");
    const answer = await fetch(`${plugboard.manager.url}/v1/teams/team-a/plugins/traced/actions/call`, {
      method: "POST",
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json", traceparent },
      body: "{}",
    });
    expect(answer.status).toBe(200);
    const [span] = await spansOf(traceId, 1);
    expect(span).toMatchObject({ name: "action call", kind: SERVER, parentSpanId: CORE_SPAN });
    expect(calls.get("/action")).toBe(`00-${traceId}-${span?.spanId}-01`);
  }, 60_000);
});
