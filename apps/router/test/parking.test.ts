import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { binaryEvent, header, Installation, type ReadRecord, until } from "./router-harness.ts";

describe("a plugin topic that cannot be written", () => {
  const at = new Installation();
  let router: Awaited<ReturnType<Installation["startRouter"]>>;
  beforeAll(async () => {
    await at.open(["sheets", "deleted"]);
    router = await at.startRouter({ ROUTER_PARK_AFTER_MS: "3000" });
  });
  afterAll(() => at.close());
  const inParking = async () =>
    (await at.admin.fetchTopicOffsets(at.parked)).reduce((sum, { high }) => sum + Number(high), 0);
  const ids = (records: readonly ReadRecord[]) => records.map((record) => header(record, "ce_id"));

  test("does not hold up the others; its copies are parked with their target, in order, then written directly again", async () => {
    at.table.enable("team-1", ["missing", "sheets"]);
    const sent = Array.from({ length: 20 }, (_, index) => binaryEvent("team-1", { id: `p-${index}`, key: "one" }));
    await at.send(sent);
    // The other plugin's copies come while nothing is settled yet: the missing one's wait for it.
    const others = await at.read(at.topicOf("sheets"), 20);
    expect(ids(others)).toEqual(sent.map((event) => event.headers?.ce_id));
    expect(await at.uncommitted()).toBe(20);
    await at.drained();
    const parked = await at.read(at.parked, 20);
    expect(ids(parked)).toEqual(sent.map((event) => event.headers?.ce_id));
    expect(new Set(parked.map((record) => header(record, "pb-parked-target")))).toEqual(
      new Set([at.topicOf("missing")]),
    );
    expect(header(parked[0], "pb-plugin")).toBe("missing");
    // While it is away, the next ones are parked without waiting.
    await at.send([binaryEvent("team-1", { id: "p-20", key: "one" })]);
    await at.drained();
    await at.read(at.parked, 21);
    expect(await router.registry.metrics()).toMatch(/router_parked_total\{topic="[^"]*missing"[^}]*\} 21/);

    await at.createTopic(at.topicOf("missing"), 1);
    let next = 21;
    for (let parkedBefore = -1, parkedNow = 0; parkedBefore !== parkedNow; next += 1) {
      parkedBefore = await inParking();
      await at.send([binaryEvent("team-1", { id: `p-${next}`, key: "one" })]);
      await at.drained();
      parkedNow = await inParking();
    }
    await at.allReturned();
    const all = await at.read(at.topicOf("missing"), (records) => new Set(ids(records)).size === next);
    expect(all.map((record) => header(record, "pb-parked-target")).filter(Boolean)).toEqual([]);
  });

  test("a topic deleted while it is written to does not hold up the others either", async () => {
    at.table.enable("team-2", ["deleted", "sheets"]);
    await at.send([binaryEvent("team-2", { id: "d-0" })]);
    await at.drained();
    await at.admin.deleteTopics({ topics: [at.topicOf("deleted")] });
    await at.send([binaryEvent("team-2", { id: "d-1" })]);
    await at.read(at.topicOf("sheets"), (records) => ids(records).includes("d-1"));
    await at.read(at.parked, (records) => ids(records).includes("d-1"));
    await at.drained();
  });

  test("a dead letter that cannot be written holds its partition's offset until it can be", async () => {
    await at.admin.deleteTopics({ topics: [at.deadLetters] });
    at.table.enable("team-4", ["sheets"]);
    await at.send([
      { key: "bad", value: "{", partition: 0 },
      { ...binaryEvent("team-4", { id: "behind-the-bad-one" }), partition: 0 },
    ]);
    await at.read(at.topicOf("sheets"), (records) => ids(records).includes("behind-the-bad-one"));
    await until("the missing topic is noticed for longer than copies wait to be parked", () =>
      at.logged(/routing waits/),
    );
    expect(await at.uncommitted()).toBeGreaterThan(0);
    await at.createTopic(at.deadLetters, 1);
    await at.read(at.deadLetters, 1);
    await at.drained();
  });

  test("a copy above the topic's own limit is parked, and those around it are delivered", async () => {
    await at.createTopic(at.topicOf("narrow"), 1, 10_000);
    at.table.enable("team-3", ["narrow"]);
    const value = JSON.stringify({ answers: { text: "x".repeat(50_000) } });
    await at.send([
      binaryEvent("team-3", { id: "n-0", key: "one" }),
      binaryEvent("team-3", { id: "n-1", key: "one", value }),
      binaryEvent("team-3", { id: "n-2", key: "one" }),
    ]);
    expect(ids(await at.read(at.topicOf("narrow"), 2))).toEqual(["n-0", "n-2"]);
    await at.read(at.parked, (records) => ids(records).includes("n-1"));
    await at.drained();
  });
});
