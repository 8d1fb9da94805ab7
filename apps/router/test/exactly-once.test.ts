import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { binaryEvent, header, Installation, type ReadRecord, until } from "./router-harness.ts";

describe("exactly once", () => {
  let at: Installation;
  beforeEach(async () => {
    at = await new Installation().open(["sheets", "sms"], { partitions: 6 });
    at.table.enable("team-1", ["sheets", "sms"]);
  });
  afterEach(() => at.close());

  const exactlyOnce = (instance: string, more: Record<string, string> = {}) => ({
    ROUTER_DELIVERY: "exactly-once",
    ROUTER_INSTANCE_ID: instance,
    ...more,
  });
  const events = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) =>
      binaryEvent("team-1", { id: `e-${from + index}`, key: `key-${(from + index) % 23}`, revision: from + index + 1 }),
    );
  const idsOf = (records: readonly ReadRecord[]) => records.map((record) => header(record, "ce_id"));

  test("every copy is there once, every partition's offset has moved, and dead letters go along", async () => {
    await at.startRouter(exactlyOnce("one"));
    const sent = events(0, 1_000);
    await at.send(sent);
    await at.send([{ key: "bad", value: "{" }]);
    await at.drained();
    for (const plugin of ["sheets", "sms"]) {
      const copies = await at.read(at.topicOf(plugin), sent.length);
      expect(new Set(idsOf(copies)).size).toBe(sent.length);
      expect(copies).toHaveLength(sent.length);
    }
    await at.read(at.deadLetters, 1);
    const committed = await at.admin.fetchOffsets({ groupId: at.group, topics: [at.responses] });
    const ends = await at.admin.fetchTopicOffsets(at.responses);
    const moved = new Map(committed[0]?.partitions.map(({ partition, offset }) => [partition, offset]));
    for (const { partition, high } of ends) expect([partition, moved.get(partition)]).toEqual([partition, high]);
  });

  test("instances that come and go while events flow double nothing", async () => {
    const sent: ReturnType<typeof events> = [];
    let sending = true;
    const sender = (async () => {
      while (sending) {
        const some = events(sent.length, 100);
        await at.send(some);
        sent.push(...some);
      }
    })();
    await at.startRouter(exactlyOnce("one"));
    const second = await at.startRouter(exactlyOnce("two"));
    await until("some are sent", () => sent.length > 2_000);
    await second.lifecycle.stop();
    await at.startRouter(exactlyOnce("three"));
    sending = false;
    await sender;
    await at.drained();
    const copies = await at.read(at.topicOf("sheets"), sent.length);
    expect(new Set(idsOf(copies)).size).toBe(sent.length);
    expect(copies).toHaveLength(sent.length);
  });

  test("a copy that is refused aborts all of its transaction, is parked, and no committed reader sees any twice", async () => {
    await at.createTopic(at.topicOf("narrow"), 1, 10_000);
    at.table.enable("team-2", ["sheets", "narrow"]);
    const router = await at.startRouter(exactlyOnce("one"));
    const value = JSON.stringify({ answers: { text: "x".repeat(50_000) } });
    await at.send([binaryEvent("team-2", { id: "too-large-for-one", value })]);
    await at.drained();
    expect(at.logged(/above the topic.s max.message.bytes/)).toBe(true);
    // It is written again from memory.
    expect(await router.registry.metrics()).toMatch(/router_rewinds_total(?:\{[^}]*\})? 0/);
    expect(idsOf(await at.read(at.topicOf("sheets"), 1))).toEqual(["too-large-for-one"]);
    const [parked] = await at.read(at.parked, 1);
    expect(header(parked, "pb-parked-target")).toBe(at.topicOf("narrow"));
    const written = await at.admin.fetchTopicOffsets(at.topicOf("sheets"));
    // Both attempts are in the log; the aborted one and two markers are what committed readers skip.
    expect(written.reduce((sum, { high }) => sum + Number(high), 0)).toBeGreaterThan(1);
  });

  test("a plugin topic that does not exist does not stop the others", async () => {
    at.table.enable("team-3", ["sheets", "missing"]);
    await at.startRouter(exactlyOnce("one", { ROUTER_PARK_AFTER_MS: "500" }));
    const sent = Array.from({ length: 20 }, (_, index) => binaryEvent("team-3", { id: `m-${index}` }));
    await at.send(sent);
    await at.drained();
    expect(await at.read(at.topicOf("sheets"), 20)).toHaveLength(20);
    expect(await at.read(at.parked, 20)).toHaveLength(20);
  });
});
