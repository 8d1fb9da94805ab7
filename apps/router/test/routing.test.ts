import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { deliveryRecordSchema } from "@plugboard/contract";
import { binaryEvent, header, Installation, type ReadRecord, until } from "./router-harness.ts";

const MIB = 1024 * 1024;

describe("routing on the real Kafka", () => {
  const at = new Installation();
  let router: Awaited<ReturnType<Installation["startRouter"]>>;
  beforeAll(async () => {
    await at.open(["sheets", "sms", "big"], { messageBytesMax: 3 * MIB });
    at.table.enable("team-1", ["sheets", "sms"]);
    at.table.enable("team-big", ["big"]);
    router = await at.startRouter();
  });
  afterAll(() => at.close());

  const copiesOf = (records: readonly ReadRecord[], ids: readonly string[]) =>
    records.filter((record) => ids.some((id) => header(record, "pb-origin") !== undefined && eventIdOf(record) === id));
  const arrived = (plugin: string, ids: readonly string[]) =>
    at
      .read(at.topicOf(plugin), (records) => copiesOf(records, ids).length >= ids.length)
      .then((records) => copiesOf(records, ids));

  test("a response reaches every enabled plugin of its team with key, value and headers unchanged", async () => {
    const sent = binaryEvent("team-1", { id: "e-1", key: "r-1", headers: { traceparent: "00-abc", empty: "" } });
    await at.send([sent]);
    for (const plugin of ["sheets", "sms"]) {
      const [copy] = await arrived(plugin, ["e-1"]);
      expect(copy?.message.value?.toString()).toBe(sent.value);
      expect(copy?.message.key?.toString()).toBe("r-1");
      for (const [name, value] of Object.entries(sent.headers ?? {})) expect(header(copy, name)).toBe(value);
      expect(header(copy, "pb-plugin")).toBe(plugin);
      expect(header(copy, "pb-team")).toBe("team-1");
      expect(header(copy, "pb-event")).toBe("onResponse");
      expect(header(copy, "pb-route-version")).toBe("1.1");
      expect(header(copy, "pb-delivery-id")).toMatch(/^[a-z0-9-]+\.[0-9a-f]{32}$/);
      expect(header(copy, "pb-origin")).toMatch(new RegExp(`^${at.responses}/\\d+/\\d+$`));
      expect(Date.parse(header(copy, "pb-routed-at") ?? "")).toBeGreaterThan(0);
    }
  });

  test("all three envelopes are routed and stay as they were written", async () => {
    const structured = JSON.stringify({
      specversion: "1.0",
      id: "e-structured",
      source: "core-test",
      type: "onResponse",
      teamid: "team-1",
      subject: "r-2",
      data: { answers: {} },
    });
    const flat = JSON.stringify({ id: "e-flat", team_id: "team-1", event: "onResponse", data: {} });
    await at.send([
      binaryEvent("team-1", { id: "e-binary" }),
      { key: "r-2", value: structured, headers: { "content-type": "application/cloudevents+json" } },
      { key: "r-3", value: flat },
    ]);
    const copies = await arrived("sheets", ["e-binary", "e-structured", "e-flat"]);
    const values = copies.map((copy) => copy.message.value?.toString());
    expect(values).toEqual(expect.arrayContaining([structured, flat]));
  });

  test("records that are no events go to the dead-letter topic with reason and origin, and the rest moves on", async () => {
    await at.send([
      { key: "bad", value: "{not json", partition: 0 },
      { key: "bad", value: JSON.stringify({ id: "x", event: "onResponse" }), partition: 0 },
      { key: "bad", value: JSON.stringify({ id: "x", team_id: "team-1" }), partition: 0 },
      { key: "bad", value: "[]", partition: 0 },
      { key: "bad", value: null, partition: 0 },
      { key: "bad", value: JSON.stringify({ id: "x", team_id: "NOT A TEAM", event: "onResponse" }), partition: 0 },
      { ...binaryEvent("team-1", { id: "e-after-bad" }), partition: 0 },
    ]);
    await arrived("sheets", ["e-after-bad"]);
    const letters = await at.read(at.deadLetters, 6);
    expect(letters.map((letter) => header(letter, "pb-dead-letter-reason"))).toEqual([
      "not-json",
      "no-team",
      "no-event",
      "not-an-object",
      "empty",
      "invalid",
    ]);
    expect(letters[0]?.message.value?.toString()).toBe("{not json");
    expect(letters[0]?.message.key?.toString()).toBe("bad");
    expect(header(letters[0], "pb-origin")).toMatch(new RegExp(`^${at.responses}/0/\\d+$`));
    expect(header(letters[5], "pb-dead-letter-detail")).toMatch(/team_id/);
  });

  test("an unknown team's event goes nowhere, and is settled", async () => {
    await at.send([binaryEvent("team-nobody", { id: "e-nobody" })]);
    await at.drained();
    expect(await router.registry.metrics()).toMatch(/router_unmatched_total\{reason="unknown-team".*\} [1-9]/);
  });

  test("a plugin enabled and disabled mid-stream gets exactly the events between", async () => {
    at.table.enable("team-2", []);
    await at.send([binaryEvent("team-2", { id: "before" })]);
    await at.drained();
    at.table.enable("team-2", ["sheets"]);
    await at.send([binaryEvent("team-2", { id: "between-1" }), binaryEvent("team-2", { id: "between-2" })]);
    await at.drained();
    at.table.enable("team-2", []);
    await at.send([binaryEvent("team-2", { id: "after" })]);
    await at.drained();
    const copies = await arrived("sheets", ["between-1", "between-2"]);
    expect(new Set(copies.map((copy) => header(copy, "pb-route-version")))).toEqual(new Set(["2.1"]));
    const all = await at.read(at.topicOf("sheets"), 1);
    expect(copiesOf(all, ["before", "after"])).toEqual([]);
  });

  test("records of 1 MiB are routed; larger ones are dead-lettered with their origin alone", async () => {
    const value = JSON.stringify({ answers: { text: "x".repeat(MIB - 23) } });
    expect(value.length).toBe(MIB);
    const key = "one-key";
    const ids = Array.from({ length: 5 }, (_, index) => `e-mib-${index}`);
    await at.send(ids.map((id) => binaryEvent("team-big", { id, key, value })));
    const copies = await arrived("big", ids);
    expect(copies.map(eventIdOf)).toEqual(ids);
    expect(copies.every((copy) => copy.message.value?.toString() === value)).toBe(true);
    await at.send([binaryEvent("team-big", { id: "e-over", key, value: `${value} ` })]);
    const tooLarge = (records: readonly ReadRecord[]) =>
      records.filter((record) => header(record, "pb-dead-letter-reason") === "too-large");
    const letters = tooLarge(await at.read(at.deadLetters, (records) => tooLarge(records).length > 0));
    expect(header(letters[0], "pb-dead-letter-detail")).toContain(String(MIB));
    await at.send([binaryEvent("team-big", { id: "e-far-over", key, value: Buffer.alloc(2 * MIB, "x") })]);
    const both = tooLarge(await at.read(at.deadLetters, (records) => tooLarge(records).length > 1));
    expect(both[1]?.message.value).toBeNull();
    expect(header(both[1], "pb-origin")).toContain(at.responses);
    await at.drained();
  });

  test("records of one key keep their order, and keyless ones that of their partition", async () => {
    at.table.enable("team-order", ["sms"]);
    const keyed = Array.from({ length: 300 }, (_, index) =>
      binaryEvent("team-order", { id: `k-${index}`, key: `key-${index % 7}`, revision: index + 1 }),
    );
    const keyless = Array.from({ length: 60 }, (_, index) => ({
      ...binaryEvent("team-order", { id: `n-${index}`, revision: index + 1 }),
      key: null,
      partition: index % 3,
    }));
    await at.send(keyed);
    await at.send(keyless);
    const copies = await arrived(
      "sms",
      [...keyed, ...keyless].map((event) => event.headers?.ce_id ?? ""),
    );
    const last = new Map<string, number>();
    for (const copy of copies.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)) {
      const key = copy.message.key?.toString() ?? `partition ${header(copy, "pb-origin")?.split("/")[1]}`;
      const revision = Number(header(copy, "ce_revision"));
      expect(revision).toBeGreaterThan(last.get(key) ?? 0);
      last.set(key, revision);
    }
    expect(last.size).toBe(10);
  });

  test("a filter that cannot be evaluated leaves a record of it before the offset moves", async () => {
    at.table.enable("team-filter", ["sheets"], { filter: "data.answers.income > 3" });
    await at.send([
      binaryEvent("team-filter", { id: "e-filter-bad", key: "r-filter", value: JSON.stringify({ answers: {} }) }),
      binaryEvent("team-filter", { id: "e-filter-no", value: JSON.stringify({ answers: { income: 1 } }) }),
      binaryEvent("team-filter", { id: "e-filter-yes", value: JSON.stringify({ answers: { income: 5 } }) }),
    ]);
    await arrived("sheets", ["e-filter-yes"]);
    await at.drained();
    const [record] = await at.read(at.deliveries, 1);
    expect(record?.message.key?.toString()).toBe("r-filter");
    const outcome = deliveryRecordSchema.parse(JSON.parse(record?.message.value?.toString() ?? ""));
    expect(outcome).toMatchObject({ outcome: "filter-error", plugin: "sheets", eventId: "e-filter-bad", attempt: 0 });
    expect(outcome.reason).toMatch(/income/);
    expect(copiesOf(await at.read(at.topicOf("sheets"), 1), ["e-filter-bad", "e-filter-no"])).toEqual([]);
  });

  test("while the table does not answer nothing is committed; then everything goes on", async () => {
    at.table.block();
    await at.send([binaryEvent("team-1", { id: "e-waits" })]);
    await until("the router has read it", async () =>
      /router_in_flight_bytes(?:\{[^}]*\})? [1-9]/.test(await router.registry.metrics()),
    );
    expect(await at.uncommitted()).toBe(1);
    at.table.unblock();
    await arrived("sheets", ["e-waits"]);
    await at.drained();
  });

  test("metrics tell what came in, went out and was left over", async () => {
    const text = await router.registry.metrics();
    expect(text).toMatch(/router_records_in_total(?:\{[^}]*\})? \d+/);
    expect(text).toMatch(/router_copies_total\{plugin="sheets"[^}]*\} \d+/);
    expect(text).toMatch(/router_malformed_total\{reason="too-large"[^}]*\} 2/);
    expect(text).toMatch(/router_unmatched_total\{reason="filter-error"[^}]*\} 1/);
    expect(text).toMatch(/router_event_to_routed_seconds_count(?:\{[^}]*\})? [1-9]/);
    expect(text).toMatch(/router_in_flight_bytes(?:\{[^}]*\})? 0/);
    for (const partition of [0, 1, 2])
      expect(text).toMatch(new RegExp(`router_lag_records\\{partition="${partition}"[^}]*\\} 0\n`));
    expect(text).toMatch(/^router_assigned_partitions 3$/m);
    expect(text).toMatch(/^router_topic_partitions 3$/m);
    expect(text).toMatch(/^router_retention_seconds 3600$/m);
    expect(text).toMatch(/^plugboard_health_check_passing\{check="partitions"\} 1$/m);
    expect(text).toMatch(/^plugboard_ready 1$/m);
  });
});

function eventIdOf(record: ReadRecord): string | undefined {
  const inHeaders = header(record, "ce_id");
  if (inHeaders !== undefined) return inHeaders;
  return (JSON.parse(record.message.value?.toString() ?? "{}") as { id?: string }).id;
}
