import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { binaryEvent, header, Installation, until } from "../router-harness.ts";

describe("a topic of events whose next record is gone", () => {
  let at: Installation;
  beforeEach(async () => {
    at = await new Installation().open(["sheets"], { partitions: 1 });
    at.table.enable("team-1", ["sheets"]);
  });
  afterEach(() => at.close());

  const send = (from: number, to: number) =>
    at.send(Array.from({ length: to - from + 1 }, (_, index) => binaryEvent("team-1", { id: `e-${from + index}` })));
  const routedIds = async (last: string) =>
    (await at.read(at.topicOf("sheets"), (records) => records.some((record) => header(record, "ce_id") === last))).map(
      (record) => header(record, "ce_id"),
    );

  test("because retention went past the committed offset, goes on with the first record, loudly", async () => {
    await send(1, 5);
    const first = await at.startRouter();
    await at.drained();
    await first.lifecycle.stop();
    await send(6, 12);
    await at.admin.deleteTopicRecords({ topic: at.responses, partitions: [{ partition: 0, offset: "9" }] });
    const router = await at.startRouter();
    await send(13, 13);
    expect(await routedIds("e-13")).toEqual([1, 2, 3, 4, 5, 10, 11, 12, 13].map((id) => `e-${id}`));
    await at.drained();
    expect(at.logged(/does not exist any more/)).toBe(true);
    expect(await router.registry.metrics()).toMatch(/^router_offsets_lost_total 1$/m);
  });

  test.each([
    ["shorter than", 5, 2],
    ["longer than", 5, 9],
  ])("because it was made anew, %s what had been read, goes on with its first record", async (_, before, after) => {
    const router = await at.startRouter();
    await send(1, before);
    await at.drained();
    await at.admin.deleteTopics({ topics: [at.responses] });
    await until("it is gone", async () => !(await at.admin.listTopics()).includes(at.responses));
    await at.createTopic(at.responses, 1);
    await send(101, 100 + after);
    const wanted = Array.from({ length: after }, (__, index) => `e-${101 + index}`);
    const ids = await routedIds(`e-${100 + after}`);
    expect(ids.filter((id) => wanted.includes(id ?? ""))).toEqual(wanted);
    await at.drained();
    expect(at.logged(/does not exist any more/)).toBe(true);
    expect(await router.registry.metrics()).toMatch(/^router_offsets_lost_total [1-9]/m);
  });
});
