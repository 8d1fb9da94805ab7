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
};

function evaluate(expression: string, answers: unknown = {}): FilterResult {
  const compiled = compileFilter(expression);
  if (!compiled.ok) throw new Error(`${expression}: ${compiled.problem.message}`);
  return compiled.filter.matches({ event: EVENT, data: { answers, collector: "amina" } });
}

describe("a filter over an event", () => {
  test.each<[string, unknown, FilterResult["kind"]]>([
    ["answers.age >= 18", { age: 18 }, "match"],
    ["answers.age >= 18", { age: 17.5 }, "no-match"],
    ["answers.age >= 17.5", { age: 18 }, "match"],
    ["answers.age == 18", { age: 18 }, "match"],
    ["answers.age + 1 > 18", { age: 18 }, "match"],
    ["answers.income / 12 >= 100", { income: 1_200 }, "match"],
    ["answers.income * 0.5 - 1 < answers.savings", { income: 10, savings: 3 }, "no-match"],
    ["answers.age % 2 == 0", { age: 18 }, "match"],
    ['answers["how old?"] == 3', { "how old?": 3 }, "match"],
    ["has(answers.x)", {}, "no-match"],
    ["has(answers.x) && answers.x > 1", {}, "no-match"],
    ["!has(answers.x) || answers.x > 1", { x: 2 }, "match"],
    ["answers.likes.exists(it, it == 'tea')", { likes: ["milk", "tea"] }, "match"],
    ["answers.all(key, answers[key] != '')", { name: "Amina", city: "" }, "no-match"],
    ["answers.city in ['Kisumu', 'Nakuru']", { city: "Nakuru" }, "match"],
    ["size(answers.likes) == 2", { likes: ["milk", "tea"] }, "match"],
    ["event.type == 'onResponse' && event.form == 'census' && event.revision > 1", {}, "match"],
    ["event.time == null", {}, "match"],
    ["data.collector.startsWith('am')", {}, "match"],
    ["answers.age > 18", "not an object", "error"],
  ])("%s of %j is a %s", (expression, answers, kind) => {
    expect(evaluate(expression, answers).kind).toBe(kind);
  });

  test.each<[string, unknown, string]>([
    ["answers.age >= 18", {}, "No such key: age"],
    ["answers.age >= 18", { age: "old" }, "no such overload: dyn<string> >= int"],
    ["answers.age >= 18", { age: null }, "no such overload: dyn<null> >= int"],
    ["answers.constructor == 1", {}, "No such key: constructor"],
    ["answers.yes", { yes: "yes" }, "the filter gave a string, neither true nor false"],
    ["answers.yes", { yes: null }, "the filter gave null, neither true nor false"],
  ])("%s of %j says what is wrong", (expression, answers, message) => {
    expect(evaluate(expression, answers)).toEqual({ kind: "error", message });
  });

  test("that loops refuses an event with a very long list, and one that does not loop takes it", () => {
    const answers = { likes: Array.from({ length: 2_001 }, (_, at) => at), age: 20 };
    expect(evaluate("answers.likes.exists(it, it in answers.likes)", answers).kind).toBe("error");
    expect(evaluate("answers.age > 18 && 2000 in answers.likes", answers).kind).toBe("match");
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

  test("compares numbers as JSON has them, whole or not", () => {
    fc.assert(
      fc.property(fc.integer(), fc.oneof(fc.integer(), fc.double({ noNaN: true })), (limit, age) => {
        const literal = limit < 0 ? `(${limit})` : String(limit);
        expect(evaluate(`answers.age >= ${literal}`, { age }).kind).toBe(age >= limit ? "match" : "no-match");
      }),
    );
  });
});

describe("an expression that is no filter is refused with its place", () => {
  test.each<[string, number, number, string]>([
    ["answers.age >=", 1, 15, "Unexpected token: EOF"],
    ["answers.a == 1\n  && && true", 2, 6, "Unexpected token: AND"],
    ['answers.name == "x', 1, 17, "Unterminated string"],
    ["true &&\n  answer.x == 1", 2, 3, "Unknown variable: answer"],
    ["event.typ == 'onResponse'", 1, 7, "No such key: typ"],
    ["event.type == 1", 1, 1, "no such overload: string == int"],
    ["1 + 1", 1, 1, "it is a int; a filter must be true or false"],
    ["answers.name.matches('(a+)+$')", 1, 1, "matches() is not available"],
    ["cel.bind(x, answers.a, x == 1)", 1, 1, "bind() is not available"],
    ["answers.a.split('').size() > 1", 1, 1, "split() is not available"],
    ["answers.l.all(x, answers.l.exists(y, x == y))", 1, 18, "inside another loop"],
    [`${"(".repeat(60)}true${")".repeat(60)}`, 1, 41, "maxDepth"],
    [`${"!".repeat(60)}true`, 1, 41, "nested more than 40 deep"],
    [`true${"||1<2".repeat(180)}`, 1, 1_001, "maxAstNodes"],
    [`answers.a == "${"x".repeat(2_000)}"`, 1, 2_001, "at most 2000 are accepted"],
  ])("%s", (expression, line, column, message) => {
    const compiled = compileFilter(expression);
    if (compiled.ok) throw new Error("it was accepted");
    expect(compiled.problem.message).toContain(message);
    expect(compiled.problem.line).toBe(line);
    expect(compiled.problem.column).toBeGreaterThanOrEqual(1);
    if (column < 1_000) expect(compiled.problem.column).toBe(column);
  });

  test("any text either compiles or is refused with a place inside it", () => {
    const parts = [
      "answers",
      ".a",
      "(",
      ")",
      " && ",
      " >= ",
      "1",
      "'x'",
      "\n",
      "[",
      "]",
      "has",
      "!",
      "event",
      ".type",
      "?",
      ":",
    ];
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...parts)).map((chosen) => chosen.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const compiled = compileFilter(text);
        if (compiled.ok) return;
        const { line, column } = compiled.problem;
        expect(line).toBeLessThanOrEqual(text.split("\n").length);
        expect(column).toBeLessThanOrEqual((text.split("\n")[line - 1] ?? "").length + 1);
      }),
    );
  });
});
