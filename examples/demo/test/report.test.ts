import { describe, expect, test } from "@jest/globals";
import type { DeliveryOutcome } from "@plugboard/contract";
import { build } from "hdr-histogram-js";
import type { Ledger } from "../src/ledger.ts";
import { type Effects, shortcomings, summarise } from "../src/report.ts";

/** A ledger as it would stand after a run with two responses and one plugin. */
function ledgerWith(change: {
  expected?: string[];
  copies?: Record<string, number>;
  outcomes?: Record<string, DeliveryOutcome>;
  responses?: string[];
}): Ledger {
  const { expected = ["d1", "d2"], copies = { d1: 1, d2: 1 }, responses = ["r1", "r2"] } = change;
  const { outcomes = { d1: "delivered", d2: "delivered" } } = change;
  const plugin = {
    expected: new Set(expected),
    copies: new Map(Object.entries(copies).map(([id, count]) => [id, { count, routedAt: 0 }])),
    outcomes: new Map(Object.entries(outcomes).map(([id, outcome]) => [id, { outcome, at: 0 }])),
  };
  const latencies = () => ({ routed: build(), delivered: build() });
  return { responses: new Set(responses), plugins: new Map([["sms", plugin]]), latencies } as unknown as Ledger;
}

const effects = (texts: Record<string, number>, stored = 2): Effects => ({
  stored,
  flagged: 1,
  perPlugin: new Map([["sms", new Map(Object.entries(texts))]]),
});
const ALL_WELL = effects({ r1: 1, r2: 1 });

describe("the summary of a run", () => {
  test("is without shortcomings when each response had its effect once", () => {
    const summary = summarise(ledgerWith({}), ALL_WELL, 0);
    expect(summary).toMatchObject({
      responses: 2,
      routed: { sms: 2 },
      delivered: { sms: 2 },
      lost: 0,
      duplicates: 0,
      failed: 0,
    });
    expect(shortcomings(summary, 2)).toEqual([]);
  });

  test.each([
    ["a response stored and never emitted", ledgerWith({ responses: ["r1"] }), ALL_WELL, { lost: 1 }],
    [
      "a delivery that was never settled",
      ledgerWith({ outcomes: { d1: "delivered" } }),
      effects({ r1: 1 }),
      { lost: 1 },
    ],
    ["a delivery said to be done whose effect is not there", ledgerWith({}), effects({ r1: 1 }), { lost: 1 }],
    [
      "a delivery given up",
      ledgerWith({ outcomes: { d1: "delivered", d2: "failed" } }),
      effects({ r1: 1 }),
      { failed: 1, lost: 0 },
    ],
    ["an effect that is there twice", ledgerWith({}), effects({ r1: 1, r2: 2 }), { duplicates: 1 }],
    ["a copy that should not be there", ledgerWith({ copies: { d1: 1, d2: 1, d9: 1 } }), ALL_WELL, { misrouted: 1 }],
  ] as const)("counts %s, and says so", (_, ledger, found, counted) => {
    const summary = summarise(ledger, found, 0);
    expect(summary).toMatchObject(counted);
    expect(shortcomings(summary, 2)).not.toEqual([]);
  });

  test("a doubled copy is no shortcoming as long as the effect happened once", () => {
    const summary = summarise(ledgerWith({ copies: { d1: 3, d2: 1 } }), ALL_WELL, 0);
    expect(summary.duplicateCopies).toBe(2);
    expect(shortcomings(summary, 2)).toEqual([]);
  });

  test("submits that were refused are failures and missing responses", () => {
    const summary = summarise(ledgerWith({}), ALL_WELL, 1);
    expect(shortcomings(summary, 3)).toEqual(["3 responses were to be stored, 2 are", "1 failed"]);
  });
});
