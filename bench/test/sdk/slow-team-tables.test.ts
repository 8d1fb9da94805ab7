import { expect, test } from "@jest/globals";
import type { SlowTeamRun } from "../../src/sdk/sdk-result.ts";
import { slowTeamGrids } from "../../src/sdk/slow-team-tables.ts";

const run = (phase: string, p99Ms: number, own: Partial<SlowTeamRun> = {}): SlowTeamRun => ({
  phase,
  measured: 100,
  p50Ms: 5,
  p99Ms,
  maxMs: 2 * p99Ms,
  laterP99Ms: p99Ms / 2,
  sendDelayMsMax: 1,
  slowSent: 10,
  slowTaken: 0,
  retriesMax: 8,
  caughtUpMs: 1_500,
  cores: 0.5,
  rssBytesFirst: 1e8,
  rssBytesLast: 1.1e8,
  rssBytesMax: 1.2e8,
  ...own,
});
const gridsOf = (runs: readonly SlowTeamRun[]) =>
  slowTeamGrids({
    kind: "sdk-slow-team",
    name: "sdk-slow-team",
    command: "npm run bench -- sdk slow-team",
    at: "2026-11-22T00:00:00.000Z",
    commit: "abc",
    machine: { cpu: "a cpu", cores: 2, memoryBytes: 2 ** 34, node: "v24", disk: "tmpfs" },
    teams: 100,
    slowTimes: 10,
    ratePerSecond: 200,
    seconds: 30,
    runs: [...runs],
    verdict: {
      sent: 6_000,
      missing: 1,
      duplicateSlow: 2,
      duplicateOthers: 0,
      uncommitted: 0,
      waiting: 0,
      identitiesOff: 0,
      deadLetters: 3,
    },
  });

test("the goal is held against the median of the quiet runs", () => {
  const [, goal] = gridsOf([
    run("quiet", 10),
    run("hangs", 61),
    run("quiet", 200),
    run("hangs", 59),
    run("quiet", 10),
    run("hangs", 60),
    run("refuses", 60.1),
  ]);
  expect(goal?.rows.map((row) => row.slice(1))).toEqual([
    ["10.0", "60.0", "6.00", "60.0", "yes"],
    ["10.0", "60.1", "6.01", "60.0", "no"],
  ]);
});

test("half as long again is the limit where that is more", () => {
  const [, goal] = gridsOf([run("quiet", 200), run("hangs", 299)]);
  expect(goal?.rows[0]?.slice(-2)).toEqual(["300.0", "yes"]);
});

test("what was not all taken afterwards is said, and so is what was lost", () => {
  const [latency, , end] = gridsOf([run("quiet", 10), run("hangs", 10), run("hangs", 10, { caughtUpMs: null })]);
  const column = latency?.head.indexOf("all taken after it was well, s") ?? 0;
  expect(latency?.rows.map((row) => row[column])).toEqual(["1.50", "NOT all"]);
  expect(end?.rows[0]).toEqual(["6,000", "1", "2", "0", "0", "0", "0", "3"]);
});
