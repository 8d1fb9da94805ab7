import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger, createRegistry, HttpServer } from "@plugboard/runtime";
import type { RouterStatus } from "../../src/domain/router-status.ts";
import { createOpsApp } from "../../src/http/ops-app.ts";

const WELL: RouterStatus = {
  version: "0.1.0",
  instance: "router-0",
  startedAt: "2026-11-21T12:00:00.000Z",
  uptimeSeconds: 93_784,
  delivery: "at-least-once",
  health: { ready: true, checks: [{ name: "partitions", critical: true, problem: null }] },
  safety: { allowUnsafe: false, findings: [] },
  group: {
    id: "plugboard-router",
    topic: "responses",
    memberIds: ["member-1"],
    generation: 4,
    topicPartitions: 6,
    lagRecords: 1_234_567,
    partitions: [
      { partition: 0, lagRecords: 1_234_567, oldestAgeSeconds: 150 },
      { partition: 3, lagRecords: 0, oldestAgeSeconds: 0.2 },
    ],
  },
  throughput: { overSeconds: 60, recordsPerSecond: 2_000.04, copiesPerSecond: 4_001 },
  inFlight: { bytes: 8 * 1_048_576, limitBytes: 64 * 1_048_576 },
  plugins: [{ plugin: "sms", copies: { priority: 1, live: 22, bulk: 333 }, overQuota: 44 }],
  quotas: { routes: 1, usedUp: [] },
  unwritable: [],
  parked: [],
  table: { epoch: "e-1", seq: 17, stalenessSeconds: 0.1, entries: 12, hits: 9, misses: 3, resets: 0 },
  trouble: { rewinds: 0, produceFailures: 0, offsetsLost: 0, malformed: 0, filterErrors: 0 },
};

describe("/status", () => {
  let server: HttpServer;
  let status: RouterStatus;
  beforeAll(async () => {
    const registry = createRegistry({ defaultMetrics: false });
    server = new HttpServer(
      createOpsApp([], registry, async () => status, createLogger("test", "silent")),
      0,
    );
    await server.start();
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    status = WELL;
  });

  async function get(path: string, accept = "text/html,application/xhtml+xml,*/*;q=0.8") {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { accept } });
    return { response, body: await response.text() };
  }
  /** What a person reads: without tags, style and superfluous blanks. */
  const textOf = (page: string) =>
    page
      .replace(/<style>[\s\S]*<\/style>/, "")
      .replaceAll(/<[^>]*>/g, " ")
      .replaceAll(/\s+/g, " ");

  test("is a page for a browser, with everything in it that it needs", async () => {
    const { response, body } = await get("/status");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("content-security-policy")).toMatch(/default-src 'none'/);
    expect(body).not.toMatch(/<script|<link|<img|src=|url\(|@import/);
    expect(body.match(/href="[^"]*"/g)).toEqual([
      'href="/status.json"',
      'href="/metrics"',
      'href="/status?refresh=off"',
    ]);
    const text = textOf(body);
    for (const shown of [
      "Router router-0",
      "at-least-once · up 26.1 hr",
      "It routes, and nothing stands in its way.",
      "Records in 2,000 / s",
      "Behind by 1,234,567 records",
      "8 MiB of 64 MiB",
      "Partitions 2 of 6",
      "0 1,234,567 2.5 min",
      "3 0 –",
      "sms 1 22 333 44",
      "Current as of 0.1 sec ago",
      "Sequence 17",
      "Nobody is over it now.",
    ])
      expect(text).toContain(shown);
  });

  test("asks for itself again, until it is told not to", async () => {
    expect((await get("/status")).body).toContain('<meta http-equiv="refresh" content="5">');
    expect((await get("/status?refresh=off")).body).not.toContain("http-equiv");
  });

  test("says first what is not well, and why", async () => {
    status = {
      ...WELL,
      health: { ready: false, checks: [{ name: "routing-table", critical: true, problem: "nobody answers" }] },
      safety: {
        allowUnsafe: true,
        findings: [{ grade: "unsafe", where: "Redis", what: "evicts", remedy: "noeviction" }],
      },
      unwritable: [{ topic: "plugin.sms", why: "it does not exist", forSeconds: 12, parking: true }],
      parked: [{ topic: "plugin.sms", copies: 7 }],
      quotas: { routes: 2, usedUp: [{ team: "busy", plugin: "sms", eventsPerSecond: 2.5 }] },
      throughput: null,
      table: { ...WELL.table, epoch: null, stalenessSeconds: null },
      trouble: { ...WELL.trouble, offsetsLost: 1 },
    };
    const { body } = await get("/status");
    const text = textOf(body);
    expect(body).toMatch(/<title>! Router/);
    for (const shown of [
      "Not well Records were deleted before they were routed: data is lost.",
      "PLUGBOARD_ALLOW_UNSAFE: 1 setting with which",
      "Check routing-table: nobody answers.",
      "Topic plugin.sms cannot be written; its copies are parked.",
      "plugin.sms it does not exist 12 sec parked",
      "plugin.sms 7",
      "busy sms 2.5",
      "Redis unsafe evicts noeviction",
      "Current as of never",
      "Records in –",
    ])
      expect(text).toContain(shown);
  });

  test("shows what others wrote as text", async () => {
    status = {
      ...WELL,
      unwritable: [{ topic: "<b>x</b>", why: '"><script>alert(1)</script>', forSeconds: 1, parking: false }],
    };
    const { body } = await get("/status");
    expect(body).not.toMatch(/<script|<b>/);
    expect(body).toContain("&lt;b&gt;x&lt;/b&gt;");
  });

  test("is JSON for who asks for that, and at /status.json for everybody", async () => {
    for (const [path, accept] of [
      ["/status", "application/json"],
      ["/status.json", "text/html"],
    ] as const) {
      const { response, body } = await get(path, accept);
      expect(response.headers.get("content-type")).toMatch(/^application\/json/);
      expect(JSON.parse(body)).toEqual(WELL);
    }
  });
});
