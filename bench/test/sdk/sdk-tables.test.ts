import { expect, test } from "@jest/globals";
import { isRight } from "../../src/sdk/drain-backlog.ts";
import type { ConsumerRun, ConsumerVerdict } from "../../src/sdk/sdk-result.ts";
import { overheadGrid } from "../../src/sdk/sdk-tables.ts";

const right: ConsumerVerdict = {
  missing: 0,
  duplicate: 0,
  foreign: 0,
  sink: null,
  uncommitted: 0,
  outcomesOff: 0,
  identitiesOff: null,
};
const run = (consumer: string, perSecond: number, faults: Partial<ConsumerVerdict> = {}): ConsumerRun => {
  const verdict = { ...right, ...faults };
  const rest = { records: 1_000, steadySeconds: 5, cores: 1, brokerCores: 0.2, rssBytesMax: 1e8 };
  return { consumer, perSecond, ...rest, verdict, valid: isRight(verdict) };
};
const gridOf = (runs: readonly ConsumerRun[]) =>
  overheadGrid({
    kind: "sdk-overhead",
    name: "sdk-overhead",
    command: "npm run bench -- sdk overhead",
    at: "2026-11-22T00:00:00.000Z",
    commit: "abc",
    machine: { cpu: "a cpu", cores: 2, memoryBytes: 2 ** 34, node: "v24", disk: "tmpfs" },
    set: { label: "a backlog", runs: [...runs] },
  });

test("each consumer stands beside both of the peers, by medians", () => {
  const { head, rows } = gridOf([
    run("kafkajs-each-message", 50_000),
    run("kafkajs-each-batch", 100_000),
    run("sdk-none", 30_000),
    run("sdk-none", 40_000),
    run("sdk-none", 60_000),
  ]);
  const sdk = rows.at(-1) ?? [];
  expect(sdk[head.indexOf("deliveries/s (median, range)")]).toBe("40,000 (30,000–60,000)");
  expect(sdk[head.indexOf("× eachMessage")]).toBe("0.80");
  expect(sdk[head.indexOf("× eachBatch")]).toBe("0.40");
});

test.each([
  { missing: 1 },
  { duplicate: 1 },
  { foreign: 1 },
  { uncommitted: 1 },
  { outcomesOff: -1 },
  { identitiesOff: -1 },
  { sink: { missing: 1, duplicate: 0, foreign: 0 } },
  { sink: { missing: 0, duplicate: 1, foreign: 0 } },
])("a run that is off by one gives no rate, and shows: %j", (faults) => {
  const { head, rows } = gridOf([run("sdk-none", 30_000, faults)]);
  expect(rows[0]?.[head.indexOf("deliveries/s (median, range)")]).toBe("–");
  expect(rows[0]?.at(-1)).toBe("1, 1 INVALID");
  expect(rows[0]?.slice(-7, -1)).toContain("1");
});
