import { afterEach, expect, test } from "@jest/globals";
import { Admin } from "@platformatic/kafka";
import { createLogger } from "@plugboard/runtime";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { GroupMembership } from "../../src/adapters/group-membership.ts";
import { Installation, until } from "../router-harness.ts";

const kafka = { KAFKA_BROKERS: testEnvironment().kafkaBrokers.split(","), KAFKA_TLS: false };
const admin = new Admin({ clientId: "test", bootstrapBrokers: kafka.KAFKA_BROKERS });
const at = new Installation();
const members: GroupMembership[] = [];
afterEach(async () => {
  await Promise.all(members.map((member) => member.stop()));
  await admin.close();
  await at.close();
});

function memberOf(groupId: string, instanceId: string, onRevoke: () => Promise<void>): GroupMembership {
  const logger = createLogger("test", "silent");
  const timing = { joinSettlesMsMax: 60_000 };
  const topic = at.responses;
  const member = new GroupMembership({
    kafka,
    groupId,
    topic,
    instanceId,
    logger,
    onRevoke,
    onAssign: () => {},
    ...timing,
  });
  members.push(member);
  return member;
}

/**
 * The group took a member whose join was answered after its process had been told to stop, and gave it partitions that nobody
 * read until its session was over (found by chaos: a router restarted twice within seconds).
 */
test("a router that stops while its join is not answered yet is no member afterwards", async () => {
  await at.open([], { partitions: 2 });
  const groupId = uniqueName("group");
  const countOf = async () => (await admin.describeGroups({ groups: [groupId] })).get(groupId)?.members.size ?? 0;
  const revoked = Promise.withResolvers<void>();
  const drained = Promise.withResolvers<void>();
  let joins = 0;
  const first = memberOf(groupId, "first", async () => {
    joins += 1;
    // Its first join has nothing to give up.
    if (joins === 1) return;
    revoked.resolve();
    await drained.promise;
  });
  await first.start();
  const second = memberOf(groupId, "second", async () => {});
  const joined = second.start();
  await revoked.promise;
  await until("the group waits for both", async () => (await countOf()) === 2);
  const stopped = second.stop();
  drained.resolve();
  await Promise.all([stopped, joined]);
  expect(await countOf()).toBe(1);
});
