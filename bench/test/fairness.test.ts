import { expect, test } from "@jest/globals";
import { loadsOf } from "../src/fairness.ts";
import { type Result, resultSchema } from "../src/result.ts";
import { gridsOf } from "../src/tables.ts";
import { Workload, type WorkloadSpec } from "../src/workload.ts";

const spec: WorkloadSpec = {
  seed: 5,
  records: 200_000,
  teams: 50,
  active: 50,
  plugins: 20,
  fanout: 2,
  size: 490,
  envelope: "flat",
  key: "response",
};

/** Records of each team. */
function counts(noisy: { team: number; times: number }): number[] {
  const workload = new Workload({ ...spec, noisy });
  const found = new Array<number>(spec.teams).fill(0);
  for (let serial = 0; serial < spec.records; serial++) {
    const team = workload.teamOf(serial);
    found[team] = (found[team] as number) + 1;
  }
  return found;
}

test("the noisy team sends as many times as much as another as was said, and the others alike", () => {
  const found = counts({ team: 2, times: 50 });
  const others = found.toSpliced(2, 1);
  const mean = others.reduce((sum, count) => sum + count, 0) / others.length;
  expect((found[2] as number) / mean).toBeGreaterThan(45);
  expect((found[2] as number) / mean).toBeLessThan(55);
  expect(Math.min(...others)).toBeGreaterThan(mean / 2);
});

test("without it, it sends nothing, and the others what they sent beside it", () => {
  expect(counts({ team: 2, times: 0 })[2]).toBe(0);
  const [quiet, noisy] = loadsOf(9_900, 50);
  expect(quiet).toEqual({ load: "quiet", ratePerSecond: 4_900, times: 0 });
  expect(noisy).toEqual({ load: "noisy", ratePerSecond: 9_900, times: 50 });
});

const clean = { copies: 9, expected: 9, missing: 0, duplicate: 0, misrouted: 0, changed: 0, orderBreaks: 0 };
const run = (load: "quiet" | "noisy", p99Ms: number, missing = 0) => ({
  load,
  ratePerSecond: load === "quiet" ? 4_900 : 9_900,
  measured: 9,
  p50Ms: 1,
  p99Ms,
  maxMs: p99Ms,
  sendDelayMaxMs: 2,
  noisyLive: load === "quiet" ? 0 : 40,
  noisyBulk: load === "quiet" ? 0 : 960,
  othersBulk: 0,
  routerCores: 0.5,
  verdict: { ...clean, missing },
  valid: missing === 0,
});

function lines(runs: readonly object[]): string[] {
  const result: Result = resultSchema.parse({
    kind: "fairness",
    name: "fairness",
    command: "npm run bench -- fairness",
    at: "2026-11-21T00:00:00.000Z",
    commit: "abc",
    machine: { cpu: "a cpu", cores: 2, memoryBytes: 2 ** 34, node: "v24", disk: "tmpfs" },
    workload: { ...spec, noisy: { team: 2, times: 50 } },
    capacityPerSecond: 14_143,
    quota: { eventsPerSecond: 200, burst: 1_000 },
    runs,
  });
  return gridsOf(result).flatMap(({ rows }) => rows.map((row) => row.join(" | ")));
}

test("the goal is judged by medians: twenty milliseconds more are allowed where half as long again is less", () => {
  const quiet = [10, 12, 90].map((ms) => run("quiet", ms));
  expect(lines([...quiet, run("noisy", 31)]).at(-1)).toBe("12.0 | 31.0 | 2.58 | 32.0 | yes");
  expect(lines([...quiet, run("noisy", 33)]).at(-1)).toBe("12.0 | 33.0 | 2.75 | 32.0 | no");
});

test("a run that lost a copy counts for nothing but its fault, and the share of bulk is told", () => {
  const [, noisy, goal] = lines([run("quiet", 10), run("noisy", 12), run("noisy", 900, 1)]);
  expect(noisy).toContain("96.0 %");
  expect(noisy).toContain("2, 1 INVALID");
  expect(goal).toContain("12.0");
});
