import { describe, expect, test } from "@jest/globals";
import { Reader } from "@platformatic/kafka";
import type { EventAttributes } from "@plugboard/contract";
import fc from "fast-check";
import type { RecordHeader } from "../../src/domain/header-block.ts";
import { copyContext, deadLetter, deliveryCopy, parkedCopy } from "../../src/domain/outgoing.ts";
import type { OutgoingRecord, SourceRecord } from "../../src/domain/ports.ts";

const event: EventAttributes = {
  id: "e",
  source: "core",
  type: "onResponse",
  teamId: "team",
  formId: null,
  responseId: null,
  revision: null,
  time: null,
  priority: null,
};
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const nullable = fc.option(bytes);
const headers = fc.array(
  fc.tuple(
    fc.constantFrom("a", "b", "ce_id", "pb-plugin").map((name) => Buffer.from(name)),
    nullable,
  ),
);
const record = fc.record({ key: nullable, value: nullable, headers }).map(
  (parts): SourceRecord => ({
    ...parts,
    partition: 2,
    offset: 7,
    timestampMs: 1,
    headers: parts.headers as RecordHeader[],
  }),
);

/** As any reader of the record sees them. */
function headersOf({ own, added }: OutgoingRecord): RecordHeader[] {
  const reader = Reader.from(Buffer.concat([own.bytes, added.bytes]));
  const count = own.count + added.count;
  const headers = Array.from(
    { length: count },
    (): RecordHeader => [reader.readVarIntBytes() as Buffer, reader.readVarIntBytes()],
  );
  expect(reader.remaining).toBe(0);
  return headers;
}

describe("outgoing records", () => {
  test("a copy has key and value by reference and every header as read, in order, before the added ones", () => {
    fc.assert(
      fc.property(record, (read) => {
        const context = copyContext(read, event, "responses/2/7", "2026-01-01T00:00:00.000Z");
        const copy = deliveryCopy(context, "sheets", "3.4", "plugin.sheets");
        expect(copy.key).toBe(read.key);
        expect(copy.value).toBe(read.value);
        const entries = headersOf(copy);
        expect(entries.slice(0, read.headers.length)).toEqual(read.headers);
        const added = entries.slice(read.headers.length).map(([name, value]) => [name.toString(), value?.toString()]);
        expect(Object.fromEntries(added)).toMatchObject({
          "pb-plugin": "sheets",
          "pb-team": "team",
          "pb-event": "onResponse",
          "pb-route-version": "3.4",
          "pb-routed-at": "2026-01-01T00:00:00.000Z",
          "pb-origin": "responses/2/7",
        });
        expect(added).toHaveLength(7);
        const again = deliveryCopy(
          copyContext(read, event, "responses/2/7", "later"),
          "sheets",
          "9.9",
          "plugin.sheets",
        );
        expect(headersOf(again)[read.headers.length]?.[1]).toEqual(entries[read.headers.length]?.[1]);
      }),
    );
  });

  test("a parked copy is the copy with its target", () => {
    const read: SourceRecord = {
      partition: 0,
      offset: 0,
      timestampMs: 0,
      key: null,
      value: Buffer.from("v"),
      headers: [],
    };
    const copy = deliveryCopy(copyContext(read, event, "o", "t"), "sheets", "1.1", "plugin.sheets");
    const parked = parkedCopy(copy, "router.parked");
    expect(parked.topic).toBe("router.parked");
    expect(parked.value).toBe(copy.value);
    const [name, value] = headersOf(parked).at(-1) ?? [];
    expect([name?.toString(), value?.toString()]).toEqual(["pb-parked-target", "plugin.sheets"]);
    expect(headersOf(copy)).toHaveLength(7);
    expect(parked.bytes).toBeGreaterThan(copy.bytes);
  });

  test("a dead letter keeps the record; above what its topic takes, only its origin; its detail is bounded", () => {
    const read = (size: number): SourceRecord => ({
      partition: 0,
      offset: 5,
      timestampMs: 0,
      key: Buffer.from("k"),
      value: Buffer.alloc(size),
      headers: [[Buffer.from("a"), Buffer.from("b")]],
    });
    const refused = { kind: "malformed", reason: "invalid", problems: ["ü".repeat(10_000)] } as const;
    const kept = deadLetter(read(10), refused, "responses/0/5", "now", "responses.dlq");
    expect(kept.value?.byteLength).toBe(10);
    const detail = headersOf(kept).find(([name]) => name.toString() === "pb-dead-letter-detail")?.[1];
    expect(detail?.byteLength).toBeLessThanOrEqual(4_096);
    expect(detail?.toString()).toMatch(/^ü+$/);
    const origin = deadLetter(read(2 * 1024 * 1024), refused, "responses/0/5", "now", "responses.dlq");
    expect([origin.key, origin.value]).toEqual([null, null]);
    expect(origin.bytes).toBeLessThan(10_000);
  });
});
