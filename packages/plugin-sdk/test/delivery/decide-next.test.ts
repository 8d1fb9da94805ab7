import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { decideNext } from "../../src/delivery/decide-next.ts";
import { retryDelayMs } from "../../src/delivery/retry-schedule.ts";
import { delivered, failed, rejected, retry, unknown } from "../../src/index.ts";

const limits = { delayMs: 1_000, delayMsMax: 60_000, attemptsMax: 5, ageMsMax: 600_000 };
const first = { attempt: 1, history: [], ageMs: 0, at: "2026-01-01T00:00:00.000Z" };

describe("decideNext", () => {
  test("settles what is delivered or unknown", () => {
    expect(decideNext(delivered(), first, limits)).toEqual({ kind: "settle", outcome: "delivered", reason: null });
    expect(decideNext(unknown("no answer"), first, limits)).toEqual({
      kind: "settle",
      outcome: "unknown",
      reason: "no answer",
    });
  });

  test("makes dead letters of what is rejected or failed, without a retry", () => {
    for (const outcome of [rejected("bad number"), failed("bad code")]) {
      expect(decideNext(outcome, first, limits)).toMatchObject({
        kind: "dead-letter",
        verdict: { outcome: outcome.kind, reason: outcome.kind, attempts: 1 },
        history: [{ attempt: 1 }],
      });
    }
  });

  test("honours afterMs, but not past the age limit", () => {
    expect(decideNext(retry("later", 5_000), first, limits)).toMatchObject({ kind: "retry", delayMs: 5_000 });
    expect(decideNext(retry("later", 600_001), first, limits)).toMatchObject({ kind: "dead-letter" });
  });

  test("falls back to the schedule for an afterMs that is no time", () => {
    for (const afterMs of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      const next = decideNext(retry("later", afterMs), first, limits);
      expect(next.kind === "retry" && next.delayMs >= 500 && next.delayMs <= 1_000).toBe(true);
    }
  });

  test("never retries beyond the attempts or the age, and keeps every reason until then", () => {
    const progress = fc.record({
      attempt: fc.integer({ min: 1, max: 9 }),
      ageMs: fc.integer({ min: 0, max: 700_000 }),
    });
    fc.assert(
      fc.property(progress, fc.string(), ({ attempt, ageMs }, reason) => {
        const next = decideNext(retry(reason), { ...first, attempt, ageMs }, limits);
        if (next.kind === "retry") {
          expect(attempt).toBeLessThan(limits.attemptsMax);
          expect(ageMs + next.delayMs).toBeLessThanOrEqual(limits.ageMsMax);
          expect(next.history).toHaveLength(1);
        } else expect(next).toMatchObject({ kind: "dead-letter", verdict: { outcome: "failed", attempts: attempt } });
      }),
    );
  });
});

describe("retryDelayMs", () => {
  test("doubles with each attempt, with jitter over the upper half, up to the longest delay", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), (attempt) => {
        const full = Math.min(limits.delayMsMax, limits.delayMs * 2 ** (attempt - 1));
        const delay = retryDelayMs(attempt, limits);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2));
        expect(delay).toBeLessThanOrEqual(full);
      }),
    );
  });
});
