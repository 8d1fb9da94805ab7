import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { OutgoingRecord } from "@plugboard/kafka";
import { binaryEvent, header, Installation } from "../router-harness.ts";

const NOT_UTF8 = Buffer.from([0xff, 0xfe, 0x80, 0x00]);
const FAR_FUTURE = "9999-12-31T23:59:59.999Z";

describe("records nobody expected", () => {
  const at = new Installation();
  beforeAll(async () => {
    await at.open(["sheets"], { partitions: 1 });
    at.table.enable("team-1", ["sheets"]);
    await at.startRouter();
  });
  afterAll(() => at.close());

  const event = (id: string, headers: Record<string, Buffer | string | (Buffer | string)[] | undefined> = {}) => {
    const { key, value, headers: own } = binaryEvent("team-1", { id });
    return { key: key ?? null, value, headers: { ...own, ...headers } } satisfies OutgoingRecord;
  };
  const structured = (more: object) =>
    JSON.stringify({ specversion: "1.0", id: "s", source: "core", type: "onResponse", teamid: "team-1", ...more });
  const flat = (more: object) => JSON.stringify({ id: "f", team_id: "team-1", event: "onResponse", ...more });
  const headersOf = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, `${index}`]));

  /** What is routed, by event id. */
  const routed: OutgoingRecord[] = [
    event("other-headers-not-utf8", { trace: NOT_UTF8 }),
    event("many-headers", headersOf(240)),
    event("repeated-header", { ce_teamid: ["other", "team-1"] }),
    { ...event("empty-key"), key: Buffer.alloc(0) },
    { ...event("no-key"), key: null },
    { ...event("tombstone"), value: null },
    { ...event("value-not-json"), value: NOT_UTF8 },
    event("no-revision", { ce_revision: undefined }),
    event("from-the-future", { ce_time: FAR_FUTURE }),
    { key: "s", value: structured({ id: "structured-future", time: FAR_FUTURE }) },
    { key: "f", value: flat({ id: "flat-future", occurred_at: FAR_FUTURE, response_id: 17 }) },
    { key: "f", value: flat({ id: "flat-proto", data: { __proto__: { a: 1 }, constructor: null } }) },
  ];
  /** What becomes a dead letter. */
  const refused: OutgoingRecord[] = [
    // kafkajs, which plugins read with, would be 20 seconds at it.
    event("ten-thousand-headers", headersOf(10_000)),
    event("team-not-utf8", { ce_teamid: NOT_UTF8 }),
    event("garbage-revision", { ce_revision: "latest" }),
    event("negative-revision", { ce_revision: "-1" }),
    event("huge-revision", { ce_revision: "9".repeat(400) }),
    event("garbage-time", { ce_time: "yesterday" }),
    event("empty-team", { ce_teamid: "" }),
    { key: "n", value: "null" },
    { key: "n", value: "1e999999" },
    { key: "n", value: "[".repeat(100_000) },
    { key: "n", value: Buffer.alloc(0) },
    { key: null, value: null },
    { key: "s", value: structured({ revision: 1.5 }) },
    { key: "s", value: structured({ subject: { an: "object" } }) },
    { key: "f", value: flat({ revision: Number.MAX_SAFE_INTEGER + 10 }) },
    { key: "f", value: flat({ occurred_at: 17 }) },
  ];

  test("are routed or dead-lettered, each once, and what follows them is routed", async () => {
    for (const record of [...routed, ...refused]) await at.producer.send(at.responses, [record]);
    await at.send([binaryEvent("team-1", { id: "after-all" })]);
    await at.drained();
    const letters = await at.read(at.deadLetters, refused.length);
    expect(letters.map((letter) => header(letter, "pb-dead-letter-reason"))).toHaveLength(refused.length);
    const copies = await at.read(at.topicOf("sheets"), routed.length + 1);
    expect(copies).toHaveLength(routed.length + 1);
    const [utf8] = copies.filter((copy) => header(copy, "ce_id") === "other-headers-not-utf8");
    expect(utf8?.message.headers?.trace).toEqual(NOT_UTF8);
    expect(copies.some((copy) => copy.message.value === null)).toBe(true);
    expect(copies.some((copy) => copy.message.key?.byteLength === 0)).toBe(true);
    expect(
      header(
        copies.find((copy) => header(copy, "ce_id") === "many-headers"),
        "x-239",
      ),
    ).toBe("239");
    const [wide] = letters.filter((letter) => header(letter, "pb-dead-letter-detail")?.includes("10009 headers"));
    expect(header(wide, "pb-dead-letter-reason")).toBe("too-large");
    expect(Object.keys(wide?.message.headers ?? {})).toHaveLength(4);
  });
});
