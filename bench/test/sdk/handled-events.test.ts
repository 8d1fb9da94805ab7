import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { countedOf, readProgress, steadyRate } from "../../src/sdk/handled-events.ts";
import { TALLY_FILES } from "../../src/sdk/tally.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tally-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("the steady rate leaves out a slow start and a slow end, and takes moments between samples", () => {
  const progress = [
    { atMs: 0, handled: 10 },
    { atMs: 1_000, handled: 100 },
    { atMs: 2_000, handled: 900 },
    { atMs: 3_000, handled: 950 },
    { atMs: 9_000, handled: 1_000 },
  ];
  // 200 are reached an eighth into the second sample, 950 with the fourth.
  expect(steadyRate(progress, 1_000)).toEqual({ span: { fromMs: 1_125, toMs: 3_000 }, perSecond: 400 });
});

test("a run that was over between two samples has no rate", () => {
  expect(steadyRate([{ atMs: 5, handled: 1_000 }], 1_000)).toBeUndefined();
  expect(steadyRate([{ atMs: 5, handled: 500 }], 1_000)).toBeUndefined();
  expect(steadyRate([], 1_000)).toBeUndefined();
});

test("counts tell what is missing, what came twice, and what was handled without being of the workload", () => {
  expect(countedOf(Uint8Array.of(1, 1, 1), 3)).toEqual({ missing: 0, duplicate: 0, foreign: 0 });
  expect(countedOf(Uint8Array.of(1, 0, 3), 4)).toEqual({ missing: 1, duplicate: 2, foreign: 0 });
  expect(countedOf(Uint8Array.of(1, 1), 5)).toEqual({ missing: 0, duplicate: 0, foreign: 3 });
});

test("a line that is half written is not read yet", () => {
  writeFileSync(join(directory, TALLY_FILES.progress), "100 7\n200 15\n300 1");
  expect(readProgress(directory)).toEqual([
    { atMs: 100, handled: 7 },
    { atMs: 200, handled: 15 },
  ]);
});

test("a process that has handled nothing has told nothing", () => {
  expect(readProgress(directory)).toEqual([]);
});
