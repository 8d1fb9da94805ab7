import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { LANES, pluginTopics } from "@plugboard/contract";
import type { RouterStatus } from "../src/domain/router-status.ts";
import { binaryEvent, Installation, until } from "./router-harness.ts";

describe("/status of a router at work", () => {
  const at = new Installation();
  let router: Awaited<ReturnType<Installation["startRouter"]>>;

  beforeAll(async () => {
    await at.open(["sms", "gone"], { partitions: 2 });
    for (const lane of LANES) if (lane !== "live") await at.createTopic(pluginTopics("sms", at.prefix)[lane], 2);
    at.table.enable("busy", ["sms"], { quota: { eventsPerSecond: 0.001, burst: 4 } });
    at.table.enable("team-1", ["gone"]);
    router = await at.startRouter({ ROUTER_PARK_AFTER_MS: "200" });
  }, 60_000);
  afterAll(() => at.close());

  async function status(): Promise<RouterStatus> {
    const response = await fetch(`http://127.0.0.1:${router.server.port}/status.json`);
    return (await response.json()) as RouterStatus;
  }

  test("tells of its group, what it routed into which lane, and who is over quota", async () => {
    await at.send(Array.from({ length: 20 }, (_, index) => binaryEvent("busy", { key: `k-${index}` })));
    await at.drained();
    await until("there are rates", async () => ((await status()).throughput?.copiesPerSecond ?? 0) > 0);
    const { group, plugins, quotas, inFlight, throughput, table, unwritable, safety, health } = await status();
    expect(group).toMatchObject({ id: at.group, topic: at.responses, topicPartitions: 2, lagRecords: 0 });
    expect(group.partitions.map(({ partition }) => partition)).toEqual([0, 1]);
    expect(group.memberIds).toEqual([expect.stringMatching(/./)]);
    expect(plugins).toEqual([{ plugin: "sms", copies: { priority: 0, live: 4, bulk: 16 }, overQuota: 16 }]);
    expect(quotas).toEqual({ routes: 1, usedUp: [{ team: "busy", plugin: "sms", eventsPerSecond: 0.001 }] });
    expect(inFlight).toEqual({ bytes: 0, limitBytes: 67_108_864 });
    expect(throughput?.recordsPerSecond).toBeCloseTo(throughput?.copiesPerSecond ?? 0);
    expect(table).toMatchObject({ epoch: "fake", seq: 1, stalenessSeconds: 0 });
    expect(unwritable).toEqual([]);
    expect(safety).toMatchObject({ allowUnsafe: false, findings: [{ grade: "risk", where: "Kafka" }] });
    expect(health.ready).toBe(true);
  });

  test("tells which topic cannot be written, why, and that its copies are parked", async () => {
    await at.admin.deleteTopics({ topics: [at.topicOf("gone")] });
    await at.send([binaryEvent("team-1")]);
    await until("its copy is parked", async () => (await status()).parked.length > 0);
    const { unwritable, parked } = await status();
    expect(parked).toEqual([{ topic: at.topicOf("gone"), copies: 1 }]);
    expect(unwritable).toEqual([
      { topic: at.topicOf("gone"), why: expect.stringMatching(/./), forSeconds: expect.any(Number), parking: true },
    ]);
  });
});
