import { describe, expect, test } from "@jest/globals";
import { binaryEvent, idsOf, type ReadRecord, until } from "../router-harness.ts";
import { RouterProcesses } from "../router-processes.ts";

describe("a router that takes its place in the group again", () => {
  const routers = new RouterProcesses({ partitions: 2 });

  test("reads a partition that was added meanwhile, though nobody makes the group rebalance", async () => {
    const { at } = routers;
    const settings = { ROUTER_INSTANCE_ID: "one" };
    const before = await routers.start(settings);
    await before.waitForLog(/partitions assigned/, 60_000);
    await at.send([binaryEvent("team-1", { id: "e-before" })]);
    await at.drained();
    // Within the session, so that the one that comes takes its place.
    await before.kill("SIGKILL");
    await at.admin.createPartitions({ topicPartitions: [{ topic: at.responses, count: 3 }] });
    const after = await routers.start(settings);
    await after.waitForLog(/partitions assigned/, 60_000);
    const event = { ...binaryEvent("team-1", { id: "e-new-partition" }), partition: 2 };
    // The producer learns of the partition a little later than it exists, and refuses until then.
    await until("the new partition takes records", () =>
      at.send([event]).then(
        () => true,
        () => false,
      ),
    );
    const both = (records: readonly ReadRecord[]) => new Set(idsOf(records)).size === 2;
    const copies = await at.read(at.topicOf("sheets"), both);
    expect(new Set(idsOf(copies))).toEqual(new Set(["e-before", "e-new-partition"]));
  }, 180_000);
});
