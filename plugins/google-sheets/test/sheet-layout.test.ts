import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { columnName, layOut, runsOf } from "../src/sheet-layout.ts";

const title = fc.stringMatching(/^[a-e]{1,2}$/);
const header = fc.array(fc.oneof(title, fc.constant(""), fc.constant(" ")), { maxLength: 12 });

describe("laying out a sheet's columns", () => {
  test("every title gets one column, no column two titles, and nothing that is there moves", () => {
    fc.assert(
      fc.property(header, fc.array(title, { maxLength: 12 }), (found, titles) => {
        const { indexOf, added, firstNew, width } = layOut(found, titles);
        const after = [...found.slice(0, firstNew), ...added];
        for (const name of titles) expect(after[indexOf.get(name) ?? -1]).toBe(name);
        expect(new Set(indexOf.values()).size).toBe(indexOf.size);
        expect(found.slice(firstNew).every((text) => text.trim() === "")).toBe(true);
        expect(width).toBe(after.length);
      }),
    );
  });

  test("what was added is found the next time: nothing is added twice", () => {
    fc.assert(
      fc.property(header, fc.array(title), (found, titles) => {
        const { added, firstNew } = layOut(found, titles);
        expect(layOut([...found.slice(0, firstNew), ...added], titles).added).toEqual([]);
      }),
    );
  });

  test("runs cover exactly the columns given", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30)), (columns) => {
        const covered = runsOf(columns).flatMap(({ start, length }) => Array.from({ length }, (_, i) => start + i));
        expect(covered).toEqual([...new Set(columns)].sort((a, b) => a - b));
      }),
    );
  });

  test("columns are named as Google names them", () => {
    expect([0, 25, 26, 701, 702, 18_277].map(columnName)).toEqual(["A", "Z", "AA", "ZZ", "AAA", "ZZZ"]);
  });
});
