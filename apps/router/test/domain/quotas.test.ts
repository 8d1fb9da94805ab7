import { describe, expect, test } from "@jest/globals";
import type { Quota } from "@plugboard/contract";
import fc from "fast-check";
import { Quotas } from "../../src/domain/quotas.ts";

/** Asks for so many copies; answers how many were admitted. */
function admitted(quotas: Quotas, count: number, quota: Quota, team = "team", plugin = "sms"): number {
  let admissions = 0;
  for (let copy = 0; copy < count; copy += 1) if (quotas.admits(team, plugin, quota)) admissions += 1;
  return admissions;
}

const quota = fc.record({
  eventsPerSecond: fc.double({ min: 0.01, max: 5_000, noNaN: true }),
  burst: fc.integer({ min: 1, max: 500 }),
});
const share = fc.integer({ min: 1, max: 12 }).map((routers) => 1 / routers);
const batch = fc.record({ afterMs: fc.integer({ min: 0, max: 60_000 }), copies: fc.nat(300) });

describe("a quota", () => {
  test("admits its burst at once, nothing beyond it, and its rate from then on", () => {
    const quotas = new Quotas();
    const limit = { eventsPerSecond: 10, burst: 25 };
    quotas.begin(1_000, 1);
    expect(admitted(quotas, 100, limit)).toBe(25);
    quotas.begin(1_500, 1);
    expect(admitted(quotas, 100, limit)).toBe(5);
    quotas.begin(61_500, 1);
    expect(admitted(quotas, 100, limit)).toBe(25);
  });

  test("tells who has used up theirs now, the last to ask first, and no more of them than asked for", () => {
    const quotas = new Quotas();
    quotas.begin(1_000, 0.5);
    for (const team of ["a", "b", "c"]) admitted(quotas, 10, { eventsPerSecond: 10, burst: 4 }, team);
    admitted(quotas, 1, { eventsPerSecond: 10, burst: 4 }, "calm");
    expect(quotas.kept).toBe(4);
    expect(quotas.usedUp(1_100, 2)).toEqual(["c", "b"].map((team) => ({ team, plugin: "sms", eventsPerSecond: 5 })));
    expect(quotas.usedUp(1_200, 10)).toEqual([]);
  });

  test("is each team's and each plugin's own", () => {
    const quotas = new Quotas();
    const limit = { eventsPerSecond: 1, burst: 3 };
    for (const [team, plugin] of [
      ["a", "sms"],
      ["a", "sheets"],
      ["b", "sms"],
    ] as const)
      expect(admitted(quotas, 10, limit, team, plugin)).toBe(3);
  });

  test("never admits more than burst + rate x time of its share, in any stretch of time", () => {
    fc.assert(
      fc.property(quota, share, fc.array(batch, { minLength: 1, maxLength: 40 }), (limit, part, batches) => {
        const quotas = new Quotas();
        const burst = Math.max(1, limit.burst * part);
        const rate = (limit.eventsPerSecond * part) / 1_000;
        let nowMs = 0;
        let excess = 0;
        const seen: { atMs: number; count: number }[] = [];
        for (const { afterMs, copies } of batches) {
          nowMs += afterMs;
          quotas.begin(nowMs, part);
          seen.push({ atMs: nowMs, count: admitted(quotas, copies, limit) });
          let sum = 0;
          for (const { atMs, count } of seen.toReversed()) {
            sum += count;
            excess = Math.max(excess, sum - (burst + rate * (nowMs - atMs)));
          }
        }
        expect(excess).toBeLessThan(1e-6);
      }),
      { numRuns: 200 },
    );
  });

  test("admits all that keeps to it, and everything again once the team has been quiet for long enough", () => {
    fc.assert(
      fc.property(quota, share, fc.nat(2_000), (limit, part, flood) => {
        const quotas = new Quotas();
        quotas.begin(0, part);
        admitted(quotas, flood, limit);
        const burst = Math.max(1, limit.burst * part);
        const perCopyMs = 1_000 / (limit.eventsPerSecond * part);
        // Full again, and a hair more for what floating point loses.
        let nowMs = (burst + 1e-6) * perCopyMs;
        let refused = 0;
        for (let copy = 0; copy < 50; copy += 1) {
          quotas.begin(nowMs, part);
          if (!quotas.admits("team", "sms", limit)) refused += 1;
          nowMs += perCopyMs * 1.000_001;
        }
        expect(refused).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test("that is changed, or shared differently, is in force at once and gives no burst away", () => {
    const change = fc.record({ limit: quota, part: share, afterMs: fc.integer({ min: 0, max: 10_000 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 2, maxLength: 20 }), fc.nat(600), (changes, copies) => {
        const quotas = new Quotas();
        let nowMs = 0;
        let excess = 0;
        /** What a bucket could hold at most: it fills at the rate of the time before the change, up to the burst then. */
        let holds = Number.POSITIVE_INFINITY;
        let before: { rate: number; burst: number } | undefined;
        for (const { limit, part, afterMs } of changes) {
          nowMs += afterMs;
          const burst = Math.max(1, limit.burst * part);
          if (before !== undefined) holds = Math.min(before.burst, holds + before.rate * afterMs);
          holds = Math.min(holds, burst);
          quotas.begin(nowMs, part);
          const count = admitted(quotas, copies, limit);
          excess = Math.max(excess, count - holds);
          holds -= count;
          before = { rate: (limit.eventsPerSecond * part) / 1_000, burst };
        }
        expect(excess).toBeLessThan(1e-6);
      }),
      { numRuns: 200 },
    );
  });

  test("whose share is below one copy still lets one through", () => {
    const quotas = new Quotas();
    quotas.begin(0, 1 / 12);
    const limit = { eventsPerSecond: 1, burst: 2 };
    expect(admitted(quotas, 10, limit)).toBe(1);
    quotas.begin(11_999, 1 / 12);
    expect(admitted(quotas, 10, limit)).toBe(0);
    quotas.begin(12_001, 1 / 12);
    expect(admitted(quotas, 10, limit)).toBe(1);
  });

  test("is remembered for so many routes, those least seen forgotten first", () => {
    const quotas = new Quotas(2);
    const limit = { eventsPerSecond: 1, burst: 1 };
    quotas.begin(0, 1);
    expect(["a", "b", "a", "c", "a", "b"].map((team) => admitted(quotas, 1, limit, team))).toEqual([1, 1, 0, 1, 0, 1]);
  });
});
