import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type KafkaCluster, startKafka } from "@plugboard/stack";
import { binaryEvent, header, Installation, idsOf, until } from "../router-harness.ts";

/** Longer than three looks of the router at a topic that it parks. */
const ROUNDS_MS = 7_000;
/** Replicas on the second and the third broker, as Kafka counts them, and both have to be in sync. */
const ON_TWO = [
  { partition: 0, replicas: [2, 3] },
  { partition: 1, replicas: [2, 3] },
];
const KEYS = ["red", "blue", "green", "grey"];
const BOTH = [{ name: "min.insync.replicas", value: "2" }];

let kafka: KafkaCluster;
let at: Installation;
let parkings: number;
beforeAll(async () => {
  kafka = await startKafka({ brokers: 3 });
}, 120_000);
afterAll(() => kafka.stop());
beforeEach(async () => {
  at = await new Installation(kafka.brokers, 3).open(["sheets"], { partitions: 2 });
  parkings = 0;
  counting("error", /copies are parked/, () => (parkings += 1));
  // Not waited for: under load the client finds brokers that have not heard of it yet, and fails instead.
  await at.admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic: at.topicOf("fragile"), replicaAssignment: ON_TWO, configEntries: BOTH }],
  });
  at.table.enable("team-1", ["sheets", "fragile"]);
  // What was written by it is led by others from now on; the fragile topic has a leader and takes nothing.
  await kafka.kill(2);
});
afterEach(async () => {
  await at.close();
});

/** Has what is logged at a level counted. */
function counting(level: "error" | "warn", pattern: RegExp, count: () => void): void {
  const log = at.logger[level];
  at.logger[level] = ((fields: object, text: string) => {
    if (pattern.test(text)) count();
    log.call(at.logger, fields, text);
  }) as typeof log;
}

/** Where the parking topic ends, over its partitions. */
async function inParking(): Promise<number> {
  const ends = await at.admin.fetchTopicOffsets(at.parked);
  return ends.reduce((sum, { high }) => sum + Number(high), 0);
}

describe.each(["at-least-once", "exactly-once"])("a topic below its minimum of replicas (%s)", (delivery) => {
  test("is parked once, in order, holds nobody up again, and is written again once it takes a copy", async () => {
    await at.startRouter({
      ROUTER_PARK_AFTER_MS: "1500",
      ROUTER_DELIVERY: delivery,
      ...(delivery === "exactly-once" && { ROUTER_INSTANCE_ID: "one" }),
    });
    const sent: string[] = [];
    const send = async () => {
      const events = KEYS.map((key) => ({ key, id: `${key}-${sent.length}` }));
      for (const { id } of events) sent.push(id);
      await at.send(events.map((event) => binaryEvent("team-1", event)));
      await at.drained();
    };
    for (const end = performance.now() + ROUNDS_MS; parkings === 0 || performance.now() < end; ) await send();
    expect(parkings).toBe(1);
    const parked = await at.read(at.parked, sent.length);
    for (const key of KEYS) {
      const ids = parked.map((record) => header(record, "ce_id")).filter((id) => id?.startsWith(key));
      expect(ids).toEqual(sent.filter((id) => id.startsWith(key)));
    }

    await kafka.start(2);
    let before = 0;
    await until("copies are written directly again", async () => {
      const wereParked = await inParking();
      before = sent.length;
      await send();
      return (await inParking()) === wereParked;
    });
    const direct = await at.read(at.topicOf("fragile"), (records) =>
      sent.slice(before).every((id) => records.some((record) => header(record, "ce_id") === id)),
    );
    for (const record of direct) expect(header(record, "pb-parked-target")).toBeUndefined();

    // What was parked goes back by itself, in its order; what was written directly meanwhile may stand before it.
    await at.allReturned();
    const all = await at.read(at.topicOf("fragile"), (records) => new Set(idsOf(records)).size >= sent.length);
    expect(await inParking()).toBeGreaterThan(0);
    const wereParked = new Set(idsOf(await at.read(at.parked, parked.length)));
    for (const key of KEYS) {
      const back = [...new Set(idsOf(all))].filter((id) => id?.startsWith(key) && wereParked.has(id));
      expect(back).toEqual(sent.filter((id) => id.startsWith(key) && wereParked.has(id)));
    }
    if (delivery === "exactly-once") expect(all).toHaveLength(sent.length);
    expect(await at.read(at.topicOf("sheets"), sent.length)).toHaveLength(sent.length);
  }, 240_000);
});

describe("a topic whose partitions are seen to have too few replicas in sync (exactly-once)", () => {
  test("is parked without a transaction that fails, and nobody tries it until they are back", async () => {
    await until("the brokers have noticed that one is gone", async () => {
      const { topics } = await at.admin.fetchTopicMetadata({ topics: [at.topicOf("fragile")] });
      return topics[0]?.partitions.every(({ isr }) => isr.length === 1) === true;
    });
    let aborted = 0;
    counting("warn", /it is aborted/, () => (aborted += 1));
    await at.startRouter({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "one" });
    const ids = Array.from({ length: 20 }, (_, index) => `event-${index}`);
    for (const id of ids) {
      await at.send([binaryEvent("team-1", { id, key: "red" })]);
      await at.drained();
    }
    expect(aborted).toBe(0);
    expect(idsOf(await at.read(at.parked, ids.length))).toEqual(ids);
    expect(idsOf(await at.read(at.topicOf("sheets"), ids.length))).toHaveLength(ids.length);

    await kafka.start(2);
    await at.allReturned();
    const back = await at.read(at.topicOf("fragile"), ids.length);
    expect(new Set(idsOf(back))).toEqual(new Set(ids));
    expect(back).toHaveLength(ids.length);
  }, 240_000);
});
