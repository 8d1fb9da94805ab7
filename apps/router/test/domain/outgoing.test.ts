import { describe, expect, test } from "@jest/globals";
import type { EventAttributes } from "@plugboard/contract";
import fc from "fast-check";
import type { RecordHeader } from "../../src/domain/header-text.ts";
import { copyContext, deadLetter, deliveryCopy, parkedCopy, routeHeaders } from "../../src/domain/outgoing.ts";
import type { OutgoingRecord, SourceRecord } from "../../src/domain/ports.ts";
import { RecordContent, type RecordParts } from "../../src/domain/record-content.ts";
import { asWritten } from "../support/written-records.ts";

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
const header = fc.tuple(
  fc.constantFrom("a", "b", "ce_id", "pb-plugin").map((name) => Buffer.from(name)),
  nullable,
);
const parts = fc.record({ key: nullable, value: nullable, headers: fc.array(header) });

const sourceOf = (read: RecordParts): SourceRecord => ({
  partition: 2,
  offset: 7,
  timestampMs: 1,
  content: RecordContent.of(read),
});
const contextOf = (read: RecordParts, routedAt: string) =>
  copyContext({ record: sourceOf(read), event, origin: "responses/2/7", routedAt });
const copyOf = (read: RecordParts, { version = "3.4", routedAt = "2026-01-01T00:00:00.000Z" } = {}): OutgoingRecord =>
  deliveryCopy(contextOf(read, routedAt), routeHeaders("team", "onResponse", "sheets", version), "plugin.sheets");
const textOf = (headers: readonly RecordHeader[]) =>
  Object.fromEntries(headers.map(([name, value]) => [name.toString(), value?.toString()]));

describe("outgoing records", () => {
  test("a copy has key, value and every header as read, in order, before the added ones", () => {
    fc.assert(
      fc.property(parts, (read) => {
        const copy = asWritten(copyOf(read as RecordParts));
        expect([copy.key, copy.value]).toEqual([read.key, read.value]);
        expect(copy.headers.slice(0, read.headers.length)).toEqual(read.headers);
        const added = copy.headers.slice(read.headers.length);
        expect(added).toHaveLength(7);
        expect(textOf(added)).toMatchObject({
          "pb-plugin": "sheets",
          "pb-team": "team",
          "pb-event": "onResponse",
          "pb-route-version": "3.4",
          "pb-routed-at": "2026-01-01T00:00:00.000Z",
          "pb-origin": "responses/2/7",
        });
        const again = asWritten(copyOf(read as RecordParts, { version: "9.9", routedAt: "later" }));
        expect(again.headers[read.headers.length]).toEqual(copy.headers[read.headers.length]);
      }),
    );
  });

  test("a parked copy is the copy with its target", () => {
    const copy = copyOf({ key: null, value: Buffer.from("v") });
    const parked = parkedCopy(copy, "router.parked");
    expect(parked.topic).toBe("router.parked");
    expect(asWritten(parked).value).toEqual(Buffer.from("v"));
    expect(textOf(asWritten(parked).headers)).toEqual({
      ...textOf(asWritten(copy).headers),
      "pb-parked-target": "plugin.sheets",
    });
    expect(parked.bytes).toBeGreaterThan(copy.bytes);
  });

  test("a dead letter keeps the record; above what its topic takes, only its origin; its detail is bounded", () => {
    const read = (size: number) =>
      sourceOf({ key: Buffer.from("k"), value: Buffer.alloc(size), headers: [[Buffer.from("a"), Buffer.from("b")]] });
    const refused = { kind: "malformed", reason: "invalid", problems: ["ü".repeat(10_000)] } as const;
    const kept = asWritten(deadLetter(read(10), refused, "responses/0/5", "now", "responses.dlq"));
    expect(kept.value?.byteLength).toBe(10);
    const detail = textOf(kept.headers)["pb-dead-letter-detail"] ?? "";
    expect(Buffer.byteLength(detail)).toBeLessThanOrEqual(4_096);
    expect(detail).toMatch(/^ü+$/);
    const origin = deadLetter(read(2 * 1024 * 1024), refused, "responses/0/5", "now", "responses.dlq");
    expect(asWritten(origin)).toMatchObject({ key: null, value: null });
    expect(origin.bytes).toBeLessThan(10_000);
  });
});
