import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { binaryEvent, header, Installation, type ReadRecord, until } from "./router-harness.ts";

/** Every event arrived, and first arrivals of each key are in the order they were sent. */
function expectAllInOrder(copies: readonly ReadRecord[], sent: readonly { headers?: Record<string, string> }[]): void {
  const ids = new Set(copies.map((copy) => header(copy, "ce_id")));
  expect(sent.filter((event) => !ids.has(event.headers?.ce_id ?? "")).map((event) => event.headers?.ce_id)).toEqual([]);
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const copy of copies.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)) {
    const id = header(copy, "ce_id") ?? "";
    if (seen.has(id)) continue;
    seen.add(id);
    const key = copy.message.key?.toString() ?? "";
    const revision = Number(header(copy, "ce_revision"));
    expect(revision).toBeGreaterThan(last.get(key) ?? 0);
    last.set(key, revision);
  }
}

describe("routers in one group", () => {
  let at: Installation;
  beforeEach(async () => {
    at = await new Installation().open(["sheets"], { partitions: 6 });
    at.table.enable("team-1", ["sheets"]);
  });
  afterEach(() => at.close());

  const events = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) =>
      binaryEvent("team-1", { id: `e-${from + index}`, key: `key-${(from + index) % 23}`, revision: from + index + 1 }),
    );
  const allOf = (count: number) => (records: readonly ReadRecord[]) =>
    new Set(records.map((record) => header(record, "ce_id"))).size >= count;

  test("routers that come and go while events flow lose nothing and keep each key's order", async () => {
    const sent: ReturnType<typeof events> = [];
    let sending = true;
    const sender = (async () => {
      while (sending) {
        const some = events(sent.length, 100);
        await at.send(some);
        sent.push(...some);
      }
    })();
    const first = await at.startRouter();
    const second = await at.startRouter();
    await until("the partitions are shared", () => first.pipeline.problem() === null);
    const third = await at.startRouter();
    await until("some are routed", async () => sent.length > 3_000);
    await second.lifecycle.stop();
    await at.startRouter();
    await third.lifecycle.stop();
    sending = false;
    await sender;
    await at.drained();
    const copies = await at.read(at.topicOf("sheets"), allOf(sent.length));
    expectAllInOrder(copies, sent);
  });

  test("a router that is stopped finishes and commits, so that the next one does nothing twice", async () => {
    const first = await at.startRouter();
    const sent = events(0, 2_000);
    await at.send(sent);
    await first.lifecycle.stop();
    await at.startRouter();
    await at.drained();
    const copies = await at.read(at.topicOf("sheets"), allOf(sent.length));
    expect(copies).toHaveLength(sent.length);
    expectAllInOrder(copies, sent);
  });

  test("two routers share the partitions, and a stopped one's go to the other at once", async () => {
    const first = await at.startRouter();
    const second = await at.startRouter();
    await until("both are ready", () => first.pipeline.problem() === null && second.pipeline.problem() === null);
    await at.send(events(0, 600));
    await at.drained();
    const inOf = async (router: typeof first) =>
      Number(/router_records_in_total(?:\{[^}]*\})? (\d+)/.exec(await router.registry.metrics())?.[1]);
    expect((await inOf(first)) + (await inOf(second))).toBe(600);
    expect(Math.min(await inOf(first), await inOf(second))).toBeGreaterThan(0);
    await first.lifecycle.stop();
    const before = await inOf(second);
    await at.send(events(600, 300));
    // Well below the session time-out of 10 s, after which they would move in any case.
    await until("the other has them all", async () => (await inOf(second)) === before + 300, 8_000);
  });

  test("partitions added later are read too", async () => {
    const router = await at.startRouter();
    await at.admin.createPartitions({ topicPartitions: [{ topic: at.responses, count: 8 }] });
    const event = { ...binaryEvent("team-1", { id: "e-new-partition" }), partition: 7 };
    // The producer learns of the partition a little later than it exists, and refuses until then.
    await until("the new partition takes records", () =>
      at.send([event]).then(
        () => true,
        () => false,
      ),
    );
    await until("the new partition's event is read", async () =>
      /router_records_in_total(?:\{[^}]*\})? [1-9]/.test(await router.registry.metrics()),
    );
    await at.drained();
  });
});
