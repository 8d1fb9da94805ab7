import { expect, test } from "@jest/globals";
import { backlogGrid } from "../../src/sdk/backlog-table.ts";

test("each lane's row says how fast, what the others waited, and what was not handled once", () => {
  const run = {
    records: 1_000,
    others: 50,
    perSecond: 5_000.4,
    seconds: 200,
    measured: 50,
    p50Ms: 12,
    p99Ms: 345,
    maxMs: 6_789,
    sendDelayMsMax: 1,
    cores: 0.9,
    rssBytesFirst: 1e8,
    rssBytesLast: 2e8,
    rssBytesMax: 3e8,
    verdict: { missing: 1, duplicate: 2, foreign: 3, uncommitted: 4 },
  };
  const { title, head, rows } = backlogGrid({
    kind: "sdk-backlog",
    name: "sdk-backlog",
    command: "npm run bench -- sdk backlog",
    at: "2026-11-22T00:00:00.000Z",
    commit: "abc",
    machine: { cpu: "a cpu", cores: 2, memoryBytes: 2 ** 34, node: "v24", disk: "tmpfs" },
    records: 1_000_000,
    teams: 100,
    ratePerSecond: 50,
    runs: [{ lane: "bulk", ...run }],
  });
  expect(title).toContain("1,000,000 deliveries of one team, and 50/s of 99 others");
  const cell = (name: string) => rows[0]?.[head.indexOf(name)];
  expect(cell("deliveries/s")).toBe("5,000");
  expect(cell("max ms")).toBe("6,789");
  expect(cell("memory first, last, most")).toBe("100 MB, 200 MB, 300 MB");
  expect(rows[0]?.slice(-4)).toEqual(["1", "2", "3", "4"]);
});
