import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type ParkedRecord, ReturnCursors, type Terms } from "../../src/domain/return-cursors.ts";

const TARGETS = ["plugin.a", "plugin.b", "plugin.c"];

function record(offset: number, target: string): ParkedRecord {
  return { offset, target, timestampMs: 1_700_000_000_000 + offset * 1_000 };
}

/** A partition with gaps, as markers of transactions leave them. */
const log = fc
  .array(fc.record({ target: fc.constantFrom(...TARGETS), gap: fc.nat(2) }), { maxLength: 40 })
  .map((items) => {
    let offset = 0;
    const records = items.map(({ target, gap }) => {
      offset += gap + 1;
      return record(offset - 1, target);
    });
    return { records, end: offset };
  });

/** What happens in one step. */
const step = fc.record({
  /** How many records a read brings at most. */
  read: fc.integer({ min: 1, max: 7 }),
  may: fc.array(fc.constantFrom(0, 1, Number.POSITIVE_INFINITY), { minLength: 3, maxLength: 3 }),
  /** Targets that turn out to refuse, at their so-manieth copy of the step. */
  refuse: fc.array(fc.option(fc.nat(3)), { minLength: 3, maxLength: 3 }),
  /** Whether the process ends behind it: only what is committed is known to the next one. */
  restart: fc.boolean(),
  /** Whether it ends between write and commit. */
  dies: fc.boolean(),
  heldFirst: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const EVERYTHING: Step = {
  read: 50,
  may: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  refuse: [null, null, null],
  restart: false,
  dies: false,
  heldFirst: true,
};

/** Plays steps on a partition, and then as many as it takes with every topic there. @returns what each topic got. */
function play(
  { records, end }: { records: ParkedRecord[]; end: number },
  steps: readonly Step[],
  atomic: boolean,
): Map<string, number[]> {
  const got = new Map<string, number[]>(TARGETS.map((target) => [target, []]));
  let cursors = new ReturnCursors(0);
  let committed = cursors.encode();
  const one = (now: Step) => {
    const may = (target: string) => now.may[TARGETS.indexOf(target)] ?? 0;
    const held = cursors.start((target) => may(target) > 0);
    const start = now.heldFirst || cursors.position === end ? held : cursors.position;
    if (start === end) return;
    const some = records.filter(({ offset }) => offset >= start).slice(0, now.read);
    const last = some.at(-1)?.offset ?? end - 1;
    const stretch = { start, end: last + 1, records: some };
    const refusedFrom = new Map<string, number>();
    const terms: Terms = { may, refusedFrom };
    let { write, next } = cursors.through(stretch, terms);
    for (const [index, target] of TARGETS.entries()) {
      const refused = write.filter((copy) => copy.target === target)[now.refuse[index] ?? Number.POSITIVE_INFINITY];
      if (refused !== undefined) refusedFrom.set(target, refused.offset);
    }
    if (atomic) ({ write, next } = cursors.through(stretch, terms));
    if (atomic && now.dies) {
      cursors = ReturnCursors.decode(committed.offset, committed.metadata);
      return;
    }
    for (const { target, offset } of write)
      if (offset < (refusedFrom.get(target) ?? end)) got.get(target)?.push(offset);
    if (now.dies) {
      cursors = ReturnCursors.decode(committed.offset, committed.metadata);
      return;
    }
    cursors = cursors.through(stretch, terms).next;
    expect(next.position).toBe(cursors.position);
    committed = cursors.encode();
    const owed = new Map<string, number>();
    for (const { target, offset } of records)
      if (offset < cursors.position && offset >= (cursors.held.get(target)?.offset ?? end))
        owed.set(target, (owed.get(target) ?? 0) + 1);
    for (const [target, { copies }] of cursors.held) expect([target, copies]).toEqual([target, owed.get(target) ?? 0]);
    if (now.restart) cursors = ReturnCursors.decode(committed.offset, committed.metadata);
  };
  for (const now of steps) one(now);
  for (let round = 0; committed.offset < end; round += 1) {
    expect(round).toBeLessThan(10 * (records.length + 5));
    one(EVERYTHING);
  }
  expect(cursors.held.size).toBe(0);
  return got;
}

const offsetsOf = (records: readonly ParkedRecord[], target: string) =>
  records.filter((copy) => copy.target === target).map(({ offset }) => offset);

describe("the cursors of parked copies", () => {
  test("bring every copy back once and in its topic's order, whichever topics are away, when written with the commit", () => {
    fc.assert(
      fc.property(log, fc.array(step, { maxLength: 40 }), (partition, steps) => {
        const got = play(partition, steps, true);
        for (const target of TARGETS) expect(got.get(target)).toEqual(offsetsOf(partition.records, target));
      }),
      { numRuns: 1_000 },
    );
  });

  test("lose nothing, and keep the order of first arrivals, when the process ends between write and commit", () => {
    fc.assert(
      fc.property(log, fc.array(step, { maxLength: 40 }), (partition, steps) => {
        const got = play(partition, steps, false);
        for (const target of TARGETS)
          expect([...new Set(got.get(target))]).toEqual(offsetsOf(partition.records, target));
      }),
      { numRuns: 1_000 },
    );
  });

  const all = () => Number.POSITIVE_INFINITY;
  const none = new Map<string, number>();

  test("commit the lowest cursor, so that nothing of a held topic is committed past, and come back as they were", () => {
    const records = ["plugin.a", "plugin.b", "plugin.a", "plugin.b"].map((target, offset) => record(offset, target));
    const may = (target: string) => (target === "plugin.b" ? 0 : Number.POSITIVE_INFINITY);
    const { write, next } = new ReturnCursors(0).through({ start: 0, end: 4, records }, { may, refusedFrom: none });
    expect(write.map(({ offset }) => offset)).toEqual([0, 2]);
    const { offset, metadata } = next.encode();
    expect(offset).toBe(1);
    expect(ReturnCursors.decode(offset, metadata)).toEqual(next);
    expect(next.held.get("plugin.b")).toEqual({ offset: 1, copies: 2, sinceMs: 1_700_000_001_000 });
  });

  test.each(["", null, "nonsense", "1 5 plugin.a:x", "2 5", "1 5 plugin.a:4:1:1"])(
    "begin at the committed offset when its metadata are not theirs: %p",
    (metadata) => {
      expect(ReturnCursors.decode(3, metadata)).toEqual(new ReturnCursors(3));
    },
  );

  test("hold as many topics as fit beside an offset, and go no further than the first that does not", () => {
    const records = Array.from({ length: 200 }, (_, offset) => record(offset, `plugin.${offset}`.padEnd(80, "x")));
    const terms = { may: () => 0, refusedFrom: none };
    const { write, next } = new ReturnCursors(0).through({ start: 0, end: 200, records }, terms);
    expect(write).toEqual([]);
    expect(next.held.size).toBe(36);
    expect(next.position).toBe(36);
    const far = new ReturnCursors(2 ** 52, new Map([...next.held].map(([t, h]) => [t, { ...h, copies: 2 ** 50 }])));
    expect(Buffer.byteLength(far.encode().metadata)).toBeLessThanOrEqual(4_096);
    const again = next.through({ start: 36, end: 200, records: records.slice(36) }, terms);
    expect(again.next.encode()).toEqual(next.encode());
    const back = next.through({ start: 0, end: 36, records: records.slice(0, 36) }, { may: all, refusedFrom: none });
    expect(back.write).toHaveLength(36);
    expect(back.next.held.size).toBe(0);
  });

  test("tell whose copies were lost when the log begins behind their cursors", () => {
    const held = new Map([
      ["plugin.a", { offset: 2, copies: 3, sinceMs: 1 }],
      ["plugin.b", { offset: 8, copies: 1, sinceMs: 1 }],
    ]);
    const { next, lost } = new ReturnCursors(10, held).from(5);
    expect(lost).toEqual(["plugin.a"]);
    expect(next.held.get("plugin.a")?.offset).toBe(5);
    expect(new ReturnCursors(10, held).from(20)).toEqual({
      next: new ReturnCursors(20),
      lost: ["plugin.a", "plugin.b"],
    });
  });
});
