import { describe, expect, test } from "@jest/globals";
import { DELIVERY_HEADER } from "@plugboard/contract";
import fc from "fast-check";
import type { RecordHeader } from "../../src/domain/header-text.ts";
import { outgoing, parkedCopy } from "../../src/domain/outgoing.ts";
import { readParkedRecord } from "../../src/domain/parked-record.ts";
import type { OutgoingRecord, SourceRecord } from "../../src/domain/ports.ts";
import { RecordContent, type RecordParts } from "../../src/domain/record-content.ts";
import { asWritten } from "../support/written-records.ts";

const names = { parkedTopic: "router.parked", pluginTopicPrefix: "plugin.", deadLetters: "responses.dlq" };
const AT = "2026-01-01T00:00:00.000Z";

/** As it is read from the parking topic. */
function asRead(record: OutgoingRecord): SourceRecord {
  return { partition: 3, offset: 7, timestampMs: 1, content: RecordContent.of(asWritten(record)) };
}

function recordOf(parts: RecordParts, topic = "", partition = 0): OutgoingRecord {
  return outgoing(topic, RecordContent.of(parts), [], 0, partition);
}

const header = (name: string, value: string): RecordHeader => [Buffer.from(name), Buffer.from(value)];
const bytes = fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array));
const headers = fc.array(
  fc.tuple(
    fc.constantFrom("a", "ce_id", "pb-parked-target").map((name) => Buffer.from(name)),
    fc.option(bytes),
  ),
);

describe("a record of the parking topic", () => {
  test("becomes byte for byte what was parked, whatever headers the event had", () => {
    fc.assert(
      fc.property(fc.option(bytes), fc.option(bytes), headers, (key, value, own) => {
        const origin = header(DELIVERY_HEADER.origin, "responses/5/9");
        const copy = recordOf({ key, value, headers: [...(own as RecordHeader[]), origin] }, "plugin.sms.bulk", 5);
        const back = readParkedRecord(asRead(parkedCopy(copy, "router.parked")), names, AT);
        expect(back).toMatchObject({ target: "plugin.sms.bulk", malformed: false, offset: 7 });
        expect(back.record).toMatchObject({ topic: "plugin.sms.bulk", originPartition: 5 });
        expect(asWritten(back.record)).toEqual(asWritten(copy));
      }),
    );
  });

  test.each([
    undefined,
    "",
    "plugin.",
    "plugin.a b",
    "plugin.ä",
    "responses",
    "router.parked",
    `plugin.${"x".repeat(250)}`,
  ])("without a plugin's topic to go to is a dead letter with reason and place: %p", (target) => {
    const own = [header("x", "y")];
    if (target !== undefined) own.push(header("pb-parked-target", target));
    const parts = { key: Buffer.from("k"), value: Buffer.from("v"), headers: own };
    const read = readParkedRecord(asRead(recordOf(parts)), names, AT);
    expect(read).toMatchObject({ target: "responses.dlq", malformed: true, record: { topic: "responses.dlq" } });
    const written = asWritten(read.record);
    expect([written.key, written.value]).toEqual([parts.key, parts.value]);
    const dead = new Map(written.headers.map(([name, value]) => [name.toString(), value?.toString()]));
    expect(dead.get("pb-dead-letter-reason")).toBe("no-parked-target");
    expect(dead.get("pb-origin")).toBe("router.parked/3/7");
    expect(dead.get("x")).toBe("y");
  });

  test("without a key goes by the partition of responses that it came from, or by its own", () => {
    const read = (origin: string | null) => {
      const own = [header("pb-parked-target", "plugin.a")];
      if (origin !== null) own.unshift(header(DELIVERY_HEADER.origin, origin));
      const parked = asRead(recordOf({ key: null, value: null, headers: own }));
      return readParkedRecord(parked, names, AT).record.originPartition;
    };
    expect(read("responses/11/4")).toBe(11);
    expect(read("nonsense")).toBe(3);
    expect(read(null)).toBe(3);
  });
});
