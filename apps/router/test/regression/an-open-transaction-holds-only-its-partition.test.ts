import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Consumer } from "@platformatic/kafka";
import { ClientProducer } from "../../src/adapters/client-producer.ts";
import { commitInTransaction } from "../../src/adapters/group-offsets.ts";
import { binaryEvent, Installation, idsOf } from "../router-harness.ts";

let at: Installation;
beforeEach(async () => {
  at = await new Installation().open(["sheets"], { partitions: 2 });
  at.table.enable("team-1", ["sheets"]);
});
afterEach(() => at.close());

/**
 * A router that is frozen in the middle of a transaction leaves it open for as long as its time-out. The broker tells nobody
 * the committed offsets that it is about to move; it used to take all partitions of a request with it.
 */
test("partitions are read although a transaction is still about to move another's committed offset", async () => {
  const base = { clientId: "frozen", bootstrapBrokers: at.kafkaBrokers.split(","), retries: 0 };
  const transactionalId = `${at.group}-frozen`;
  // The client takes its request's time-out for the transaction's too.
  const asTransactional = { transactionalId, idempotent: true, producerId: -1n, producerEpoch: -1, timeout: 300_000 };
  const frozen = new ClientProducer({ ...base, ...asTransactional, retries: 20 });
  const group = new Consumer({ ...base, groupId: at.group });
  try {
    await at.send([0, 1].map((partition) => ({ ...binaryEvent("team-1", { id: `of-${partition}` }), partition })));
    const transaction = await frozen.beginTransaction();
    await transaction.addConsumer(group);
    const commit = {
      partition: 0,
      membership: { memberId: "", generationId: -1 },
      cursors: { offset: 0, metadata: "" },
    };
    await commitInTransaction(group, frozen, transactionalId, at.responses, commit);
    const router = await at.startRouter({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "one" }, false);
    expect(idsOf(await at.read(at.topicOf("sheets"), 1))).toEqual(["of-1"]);
    expect(router.pipeline.problem()).toBe("the committed offsets are not known yet");
    await transaction.abort();
    await at.drained();
    expect(idsOf(await at.read(at.topicOf("sheets"), 2)).toSorted()).toEqual(["of-0", "of-1"]);
  } finally {
    await Promise.allSettled([frozen.close(), group.close()]);
  }
});
