import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { binaryEvent, header, Installation, idsOf, type ReadRecord, type SentRecord, until } from "./router-harness.ts";

type Running = Awaited<ReturnType<Installation["startRouter"]>>;

/** Of one of a router's metrics with the label topic; NaN when it is not there. */
async function metric(router: Running, name: string, topic: string): Promise<number> {
  const text = await router.registry.metrics();
  const line = text.split("\n").find((one) => one.startsWith(`${name}{`) && one.includes(`topic="${topic}"`));
  return Number(line?.slice(line.lastIndexOf(" ") + 1) ?? Number.NaN);
}

describe.each(["at-least-once", "exactly-once"])("parked copies (%s)", (delivery) => {
  let at: Installation;
  beforeEach(async () => {
    at = await new Installation().open(["sheets"]);
  });
  afterEach(() => at.close());

  const start = (instance = "one") =>
    at.startRouter({
      ROUTER_PARK_AFTER_MS: "500",
      ROUTER_DELIVERY: delivery,
      ...(delivery === "exactly-once" && { ROUTER_INSTANCE_ID: instance }),
    });
  const events = (team: string, from: number, count: number): SentRecord[] =>
    Array.from({ length: count }, (_, index) => binaryEvent(team, { id: `${team}-${from + index}`, key: "one" }));
  const ids = (sent: readonly SentRecord[]) => sent.map(({ headers }) => headers?.ce_id);
  /** As they would have been parked. */
  const asParked = (target: string | undefined, sent: readonly SentRecord[]) =>
    sent.map((event) => ({
      ...event,
      headers: { ...event.headers, ...(target !== undefined && { "pb-parked-target": target }) },
    }));

  test("go back by themselves when their topic is there: in order, once, as they would have been written", async () => {
    const router = await start();
    const missing = at.topicOf("missing");
    at.table.enable("team-1", ["missing", "sheets"]);
    const sent = events("team-1", 0, 30);
    await at.send(sent);
    await at.drained();
    const parked = await at.read(at.parked, 30);
    await until("they are held", async () => (await metric(router, "router_parked_held_records", missing)) === 30);
    expect(await metric(router, "router_parked_held_oldest_age_seconds", missing)).toBeGreaterThan(0);
    expect(await at.notReturned()).toBeGreaterThanOrEqual(30);

    await at.createTopic(missing, 3);
    await at.allReturned();
    const returned = await at.read(missing, 30);
    expect(idsOf(returned)).toEqual(ids(sent));
    const direct = await at.read(at.topicOf("sheets"), 30);
    for (const [index, { message, partition }] of returned.entries()) {
      const { "pb-parked-target": target, ...headers } = parked[index]?.message.headers ?? {};
      expect(target?.toString()).toBe(missing);
      expect(message.headers).toEqual(headers);
      expect([message.key, message.value]).toEqual([direct[index]?.message.key, direct[index]?.message.value]);
      expect(partition).toBe(direct[index]?.partition);
    }
    expect(await metric(router, "router_parked_returned_total", missing)).toBe(30);
    expect(await metric(router, "router_parked_held_records", missing)).toBeNaN();
    expect(await metric(router, "router_parked_total", missing)).toBe(30);
  });

  test("of a topic that stays away hold nobody else's, and a restart repeats nothing that has gone back", async () => {
    const [away, back] = [at.topicOf("away"), at.topicOf("back")];
    let router = await start();
    at.table.enable("team-1", ["away", "back"]);
    const sent = events("team-1", 0, 20);
    await at.send(sent);
    await at.drained();
    await at.read(at.parked, 40);
    await at.createTopic(back, 2);
    expect(idsOf(await at.read(back, 20))).toEqual(ids(sent));
    await until("what went back is committed", async () => {
      const [committed] = await at.admin.fetchOffsets({ groupId: `${at.group}.parked`, topics: [at.parked] });
      return (committed?.partitions ?? []).some(({ metadata }) => metadata?.includes(away) && !metadata.includes(back));
    });

    await router.lifecycle.stop();
    router = await start("two");
    await until("it knows what is held", async () => (await metric(router, "router_parked_held_records", away)) === 20);
    // What another topic gets meanwhile goes by those that are held.
    await at.send(asParked(back, events("more", 0, 5)), at.parked);
    await at.read(back, (records) => records.length >= 25);
    expect(await metric(router, "router_parked_held_records", away)).toBe(20);
    await at.createTopic(away, 1);
    await at.allReturned();
    expect(idsOf(await at.read(away, 20))).toEqual(ids(sent));
    expect(idsOf(await at.read(back, 25))).toEqual([...ids(sent), ...ids(events("more", 0, 5))]);
    const written = await at.admin.fetchTopicOffsets(away);
    if (delivery === "at-least-once") expect(written.map(({ high }) => high)).toEqual(["20"]);
  });

  test("too large for their topic hold only what is parked for it, in order, until it takes them", async () => {
    const narrow = at.topicOf("narrow");
    await at.createTopic(narrow, 1, 10_000);
    const router = await start();
    const value = JSON.stringify({ answers: { text: "x".repeat(50_000) } });
    const sent = [
      ...events("small", 0, 20),
      binaryEvent("big", { id: "big", key: "one", value }),
      ...events("small", 20, 3),
    ];
    await at.send(asParked(narrow, sent), at.parked);
    await at.send(asParked(at.topicOf("sheets"), events("other", 0, 3)), at.parked);
    expect(idsOf(await at.read(at.topicOf("sheets"), 3))).toEqual(ids(events("other", 0, 3)));
    await until("the large one is met", async () => (await metric(router, "router_parked_held_records", narrow)) === 4);
    expect(idsOf(await at.read(narrow, 20))).toEqual(ids(sent).slice(0, 20));
    await at.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: narrow, configEntries: [{ name: "max.message.bytes", value: "1114112" }] }],
    });
    await at.allReturned();
    expect(idsOf(await at.read(narrow, 24))).toEqual(ids(sent));
  });

  test("that name no plugin's topic become dead letters, and hold nobody up", async () => {
    await start();
    const unnamed = events("none", 0, 2);
    await at.send(
      [
        ...asParked(undefined, unnamed.slice(0, 1)),
        ...asParked(at.responses, unnamed.slice(1)),
        ...asParked(at.topicOf("sheets"), events("other", 0, 1)),
      ],
      at.parked,
    );
    await at.allReturned();
    const dead: ReadRecord[] = await at.read(at.deadLetters, 2);
    expect(idsOf(dead)).toEqual(ids(unnamed));
    for (const record of dead) {
      expect(header(record, "pb-dead-letter-reason")).toBe("no-parked-target");
      expect(header(record, "pb-origin")).toMatch(new RegExp(`^${at.parked}/\\d+/\\d+$`));
    }
    expect(idsOf(await at.read(at.topicOf("sheets"), 1))).toEqual(["other-0"]);
    expect((await at.admin.fetchTopicOffsets(at.responses)).every(({ high }) => high === "0")).toBe(true);
  });

  test("that retention takes before they could go back are told of, and hold nothing any more", async () => {
    const router = await start();
    const gone = at.topicOf("gone");
    await at.send(asParked(gone, events("team-1", 0, 5)), at.parked);
    await until("they are held", async () => (await metric(router, "router_parked_held_records", gone)) === 5);
    const ends = await at.admin.fetchTopicOffsets(at.parked);
    await at.admin.deleteTopicRecords({
      topic: at.parked,
      partitions: ends.filter(({ high }) => high !== "0").map(({ partition, high }) => ({ partition, offset: high })),
    });
    await at.allReturned();
    expect(await metric(router, "router_parked_expired_total", gone)).toBe(1);
    expect(await metric(router, "router_parked_held_records", gone)).toBeNaN();
    expect(at.logged(/parked copies were deleted before they could go back/)).toBe(true);
  });

  test("a parking topic that is gone stops neither routing nor readiness", async () => {
    const router = await start();
    await at.admin.deleteTopics({ topics: [at.parked] });
    at.table.enable("team-1", ["sheets"]);
    await at.send(events("team-1", 0, 10));
    await at.read(at.topicOf("sheets"), 10);
    await at.drained();
    expect(router.pipeline.problem()).toBeNull();
  });
});
