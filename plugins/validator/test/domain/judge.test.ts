import { describe, expect, test } from "@jest/globals";
import type { EventAttributes } from "@plugboard/contract";
import fc from "fast-check";
import { judge } from "../../src/domain/judge.ts";
import { type Rule, ruleSchema } from "../../src/domain/settings.ts";

const event: EventAttributes = {
  id: "e1",
  source: "core",
  type: "onResponse",
  teamId: "team-1",
  formId: "form-1",
  responseId: "r1",
  revision: 2,
  time: "2026-01-01T00:00:00Z",
  priority: null,
};

const now = () => 0;

function verdict(rule: Partial<Rule> & { check: string }, answers: Record<string, unknown>) {
  const full = ruleSchema.parse({ id: "rule", message: "wrong", ...rule });
  const { flags, skipped, checked } = judge([full], event, { answers, collector: "ada" }, { now });
  if (flags.length > 0) return "flagged";
  return skipped[0]?.reason ?? (checked === 1 ? "passed" : "not asked");
}

describe("a rule", () => {
  test.each([
    ["answers.a <= answers.b", { a: 1, b: 2.5 }, "passed"],
    ["answers.a <= answers.b", { a: 3, b: 2.5 }, "flagged"],
    ["answers.a <= 12", { a: 12 }, "passed"],
    ["answers.a == 12", { a: 12.0 }, "passed"],
    ["answers.a * 12 <= 1200", { a: 101 }, "flagged"],
    ["100 - answers.a >= 0", { a: 99.5 }, "passed"],
    ["answers.a % 2 == 0", { a: 3 }, "flagged"],
    ['answers["q-1"] == "yes"', { "q-1": "no" }, "flagged"],
    ["answers.visits.all(v, v.weight > 0)", { visits: [{ weight: 4 }, { weight: 0 }] }, "flagged"],
    ['answers.phone.matches("^\\\\+[0-9]+$")', { phone: "0123" }, "flagged"],
    ["event.revision == 2 && event.form == 'form-1'", {}, "passed"],
    ["data.collector == 'ada'", {}, "passed"],
  ])("%s of %j is %s", (check, answers, expected) => {
    expect(verdict({ check }, answers)).toBe(expected);
  });

  test("is skipped, never a flag, when it cannot be evaluated", () => {
    expect(verdict({ check: "answers.missing <= 1" }, {})).toBe("missing-answer");
    expect(verdict({ check: "answers.a <= 1" }, { a: null })).toBe("wrong-type");
    expect(verdict({ check: "answers.a" }, { a: "yes" })).toBe("not-boolean");
    expect(verdict({ check: "timestamp(answers.a) > timestamp('2020-01-01T00:00:00Z')" }, { a: "soon" })).toBe("error");
    expect(verdict({ check: "answers.constructor == 1" }, {})).toBe("missing-answer");
    expect(verdict({ check: "answers.__proto__ == 1" }, {})).toBe("missing-answer");
  });

  test("is asked only of its form and where `when` holds", () => {
    const check = "answers.a > 10";
    expect(verdict({ check, form: "form-2" }, { a: 1 })).toBe("not asked");
    expect(verdict({ check, form: "form-1" }, { a: 1 })).toBe("flagged");
    expect(verdict({ check, when: "answers.kind == 'farm'" }, { a: 1, kind: "shop" })).toBe("not asked");
    expect(verdict({ check, when: "answers.kind == 'farm'" }, { a: 1, kind: "farm" })).toBe("flagged");
    expect(verdict({ check, when: "answers.kind == 'farm'" }, { a: 1 })).toBe("missing-answer");
  });

  test("that is required is violated by an unanswered field", () => {
    const rule = { check: "answers.a > 10", required: true, fields: ["a"] };
    for (const answers of [{}, { a: null }, { a: " " }]) expect(verdict(rule, answers)).toBe("flagged");
    expect(verdict(rule, { a: 11 })).toBe("passed");
    expect(verdict(rule, { a: "eleven" })).toBe("wrong-type");
  });

  test("with a pattern that backtracks without end is answered all the same", () => {
    const a = `${"a".repeat(50_000)}!`;
    expect(verdict({ check: 'answers.a.matches("^(a+)+$")' }, { a })).toBe("flagged");
  });

  test("that would hold the process on the data it is given is skipped", () => {
    const check = "answers.l.all(x, answers.l.exists(y, y == x))";
    expect(verdict({ check }, { l: [1, 2, 3] })).toBe("passed");
    expect(verdict({ check }, { l: Array.from({ length: 2_001 }, (_, index) => index) })).toBe("too-large");
  });

  test("gets the rule's message and fields into its flag", () => {
    const rule = ruleSchema.parse({ id: "savings", check: "answers.a < 1", message: "too high", fields: ["a"] });
    const { flags } = judge([rule], event, { answers: { a: 1 } }, { now });
    expect(flags).toEqual([{ rule: "savings", message: "too high", fields: ["a"] }]);
  });
});

describe("judge", () => {
  test("skips what is left when the time for one response is used up", () => {
    let time = 0;
    const rules = ["a", "b", "c"].map((id) => ruleSchema.parse({ id, check: "false", message: "wrong" }));
    const { flags, skipped } = judge(rules, event, {}, { now: () => (time += 60), budgetMs: 100 });
    expect(flags.map(({ rule }) => rule)).toEqual(["a"]);
    expect(skipped.map(({ rule, reason }) => [rule, reason])).toEqual([
      ["b", "out-of-time"],
      ["c", "out-of-time"],
    ]);
  });

  test("never throws and gives every rule at most one finding, whatever the data", () => {
    const checks = [
      "answers.a <= answers.b",
      "number(answers.a) + 1 > 0",
      "answers.a.matches('^(a+)+$')",
      "answers.a.all(x, x.b > 1)",
      "has(answers.a) && answers.a in answers.b",
      "size(answers.a) > int(answers.b)",
      "answers.a",
    ];
    const rules = checks.map((check, index) => ruleSchema.parse({ id: `r${index}`, check, message: "wrong" }));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("answers", "x"), fc.anything()), fc.jsonValue(), (data, a) => {
        for (const input of [data, { answers: { a, b: a } }, { answers: { a } }]) {
          const { flags, skipped, checked } = judge(rules, event, input, { now });
          expect(checked + skipped.length).toBe(rules.length);
          expect(flags.length).toBeLessThanOrEqual(checked);
        }
      }),
    );
  });

  test("agrees with JavaScript on every pair of numbers", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const rule = ruleSchema.parse({ id: "r", check: "answers.a <= answers.b", message: "wrong" });
    fc.assert(
      fc.property(number, number, (a, b) => {
        const { flags } = judge([rule], event, { answers: { a, b } }, { now });
        expect(flags.length === 0).toBe(a <= b);
      }),
    );
  });
});
