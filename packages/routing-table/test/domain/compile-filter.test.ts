import { describe, expect, test } from "@jest/globals";
import type { EventAttributes } from "@plugboard/contract";
import fc from "fast-check";
import { compileFilter, type FilterResult } from "../../src/domain/compile-filter.ts";

const EVENT: EventAttributes = {
  id: "1",
  source: "core",
  type: "onResponse",
  teamId: "team-a",
  formId: "census",
  responseId: "r-1",
  revision: 2,
  time: null,
  priority: null,
};

function evaluate(expression: string, answers: unknown = {}): FilterResult {
  const compiled = compileFilter(expression);
  if (!compiled.ok) throw new Error(`${expression}: ${compiled.problem.message}`);
  return compiled.filter.matches({ event: EVENT, data: { answers, collector: "amina" } });
}

/** The language itself is tested in packages/rules. */
describe("a filter over an event", () => {
  test.each<[string, unknown, FilterResult]>([
    ["answers.age >= 18 && event.form == 'census'", { age: 18 }, { kind: "match" }],
    ["answers.age >= 18", { age: 17.5 }, { kind: "no-match" }],
    ["has(answers.age) && answers.age >= 18", {}, { kind: "no-match" }],
    ["number(answers.age) * 2 > 30 && data.collector.matches('^am')", { age: "18" }, { kind: "match" }],
    ["answers.age >= 18", {}, { kind: "error", message: "No such key: age" }],
    ["answers.age >= 18", { age: "old" }, { kind: "error", message: "no such overload: dyn<string> >= int" }],
    ["answers.yes", { yes: "yes" }, { kind: "error", message: "it says neither true nor false but string" }],
  ])("%s of %j is %j", (expression, answers, result) => {
    expect(evaluate(expression, answers)).toEqual(result);
  });

  test("ends on an event that a rogue filter, or a rogue response, would make it go over for hours", () => {
    const likes = Array.from({ length: 20_000 }, (_, at) => at);
    const nested = JSON.parse(`${"[".repeat(10_000)}${"]".repeat(10_000)}`);
    expect(evaluate("answers.likes.all(it, it in answers.likes)", { likes }).kind).toBe("error");
    expect(evaluate("answers.a == 1", { a: nested }).kind).toBe("error");
    expect(evaluate("answers.a.matches('^(a+)+$')", { a: `${"a".repeat(10_000)}!` }).kind).toBe("no-match");
  });

  test("never throws, and gives one of three answers, whatever the payload", () => {
    const filters = ["answers.a >= 1", "has(answers.a.b)", "answers.all(k, answers[k] == data.a)", "data.a.b == 'x'"];
    const compiled = filters.map((expression) => compileFilter(expression));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("a", "b", "answers"), fc.jsonValue()), (data) => {
        for (const one of compiled) {
          if (!one.ok) throw new Error(one.problem.message);
          expect(["match", "no-match", "error"]).toContain(one.filter.matches({ event: EVENT, data }).kind);
        }
      }),
    );
  });
});

test("an expression that is no filter is refused with its place", () => {
  expect(compileFilter("true &&\n  answer.x == 1")).toEqual({
    ok: false,
    problem: { message: "Unknown variable: answer", line: 2, column: 3 },
  });
});
