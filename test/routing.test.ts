import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DEAD_LETTER_HEADER, DELIVERY_HEADER, deliveryId } from "@plugboard/contract";
import { PlugboardUnderTest, type Service } from "./plugboard-under-test.ts";
import { headerOf, type TopicReader } from "./topic-reader.ts";

const deliveryOf = (team: string, plugin: string, event: string) => deliveryId(team, plugin, "e2e", event);

describe("responses on their way to plugins, through processes as they run in production", () => {
  let plugboard: PlugboardUnderTest;
  let router: Service;
  let always: TopicReader;
  let sometimes: TopicReader;
  let letters: TopicReader;

  beforeAll(async () => {
    plugboard = await PlugboardUnderTest.open();
    for (const plugin of ["always", "sometimes"]) await plugboard.register(plugin);
    await plugboard.enable("team-a", "always");
    router = await plugboard.startRouter();
    always = await plugboard.followPlugin("always");
    sometimes = await plugboard.followPlugin("sometimes");
    letters = await plugboard.followDeadLetters();
  }, 120_000);

  afterAll(() => plugboard?.close(), 60_000);

  test("a team's change of its plugins is in force for what is emitted after it", async () => {
    // Each event reaches `always` as well, and both copies of one event are written before the next is committed.
    let count = 0;
    const reaches = async () => {
      count += 1;
      const id = `toggle-${count}`;
      await plugboard.emit([{ team: "team-a", id, response: "one-response" }]);
      await always.has([deliveryOf("team-a", "always", id)]);
      await plugboard.drained();
      return id;
    };
    const arrived = (id: string) => sometimes.deliveries.has(deliveryOf("team-a", "sometimes", id));
    const before = await reaches();
    expect(arrived(before)).toBe(false);

    await plugboard.enable("team-a", "sometimes");
    let id = await reaches();
    for (let tries = 0; !arrived(id) && tries < 50; tries += 1) id = await reaches();
    const whileEnabled = await reaches();
    await sometimes.has([deliveryOf("team-a", "sometimes", whileEnabled)]);

    await plugboard.enable("team-a", "sometimes", { enabled: false });
    // The change is in force within a quarter of a second: it is, once three in a row did not arrive.
    const off = [await reaches(), await reaches(), await reaches()];
    while (off.slice(-3).some(arrived) && off.length < 50) off.push(await reaches());
    const after = [await reaches(), await reaches(), await reaches()];
    await plugboard.enable("team-a", "sometimes");
    let again = await reaches();
    for (let tries = 0; !arrived(again) && tries < 50; tries += 1) again = await reaches();
    expect(after.filter(arrived)).toEqual([]);
    expect(arrived(before)).toBe(false);
  });

  test("forms and filters narrow what a team gets", async () => {
    await plugboard.enable("team-f", "always", { enabled: true, forms: ["census"], filter: "answers.age >= 18" });
    const fits = async (id: string, form: string, age: unknown) =>
      await plugboard.emit([{ team: "team-f", id, response: "f", form, data: { answers: { age } } }]);
    // The enablement may take a moment to arrive; what fits is emitted until it does.
    let tries = 0;
    do {
      tries += 1;
      await fits(`fits-${tries}`, "census", 18.5);
      await plugboard.drained();
    } while (!always.deliveries.has(deliveryOf("team-f", "always", `fits-${tries}`)) && tries < 50);
    await fits("other-form", "other", 40);
    await fits("too-young", "census", 17);
    await fits("no-age", "census", undefined);
    await fits("last", "census", 30);
    await always.has([deliveryOf("team-f", "always", "last")]);
    const none = ["other-form", "too-young", "no-age"].map((id) => deliveryOf("team-f", "always", id));
    expect(none.filter((id) => always.deliveries.has(id))).toEqual([]);
  });

  test("the copy is the record as it was written, with the delivery's headers", async () => {
    const data = { answers: { name: "Amina", list: [1, 2, 3] } };
    await plugboard.emit([{ team: "team-a", id: "copy", response: "copied", data }]);
    const id = deliveryOf("team-a", "always", "copy");
    await always.has([id]);
    const record = always.records.find((one) => headerOf(one, DELIVERY_HEADER.id) === id);
    expect(record?.key?.toString()).toBe("copied");
    expect(record?.value?.toString()).toBe(JSON.stringify(data));
    expect(headerOf(record, "ce_id")).toBe("copy");
    expect(headerOf(record, DELIVERY_HEADER.team)).toBe("team-a");
    expect(headerOf(record, DELIVERY_HEADER.routeVersion)).toMatch(/^\d+\.\d+$/);
    expect(headerOf(record, DELIVERY_HEADER.origin)).toMatch(new RegExp(`^${plugboard.responses}/\\d/\\d+$`));
  });

  test("the revisions of a response arrive in their order", async () => {
    const responses = Array.from({ length: 20 }, (_, at) => `ordered-${at}`);
    for (let revision = 1; revision <= 10; revision += 1) {
      await plugboard.emit(responses.map((response) => ({ team: "team-a", id: `${response}.${revision}`, response })));
    }
    await always.has(responses.map((response) => deliveryOf("team-a", "always", `${response}.10`)));
    for (const response of responses) {
      const ids = always.records.filter(({ key }) => key?.toString() === response).map((one) => headerOf(one, "ce_id"));
      expect(ids).toEqual(Array.from({ length: 10 }, (_, at) => `${response}.${at + 1}`));
    }
  });

  test("malformed records become dead letters with reason and origin, and their partition moves on", async () => {
    const bad = [
      { reason: "not-json", value: "{" },
      { reason: "not-an-object", value: "[1]" },
      { reason: "no-team", value: '{"id":"1","event":"onResponse"}' },
      { reason: "no-event", value: '{"id":"1","team_id":"team-a"}' },
      { reason: "invalid", value: '{"id":"1","team_id":"Team A!","event":"onResponse"}' },
    ];
    await plugboard.producer.send(
      plugboard.responses,
      bad.map(({ value }) => ({ key: "same-partition", value })),
    );
    await plugboard.emit([{ team: "team-a", id: "behind", response: "same-partition" }]);
    await always.has([deliveryOf("team-a", "always", "behind")]);
    await letters.until("five dead letters", () => letters.records.length >= bad.length);
    expect(letters.records.map((one) => headerOf(one, DEAD_LETTER_HEADER.reason))).toEqual(
      bad.map(({ reason }) => reason),
    );
    expect(letters.records.map((one) => one.value?.toString())).toEqual(bad.map(({ value }) => value));
    for (const letter of letters.records) {
      expect(headerOf(letter, DEAD_LETTER_HEADER.origin)).toMatch(new RegExp(`^${plugboard.responses}/\\d/\\d+$`));
    }
  });

  test("SIGTERM drains a router and the manager: all settled is committed, and they leave with 0", async () => {
    await plugboard.emit(
      Array.from({ length: 500 }, (_, at) => ({ team: "team-a", id: `drain-${at}`, response: `${at}` })),
    );
    await always.has([deliveryOf("team-a", "always", "drain-0")]);
    expect(await router.end("SIGTERM")).toBe(0);
    await router.start();
    await always.has(Array.from({ length: 500 }, (_, at) => deliveryOf("team-a", "always", `drain-${at}`)));
    await plugboard.drained();
    const doubled = [...always.deliveries.values()].filter((count) => count > 1);
    expect(doubled).toEqual([]);
    expect(await router.end("SIGTERM")).toBe(0);
    expect(await plugboard.manager.end("SIGTERM")).toBe(0);
  });
});
