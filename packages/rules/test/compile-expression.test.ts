import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { compileExpression } from "../src/index.ts";
import { evaluated, said } from "./evaluated.ts";

describe("an expression over an event", () => {
  test.each<[string, unknown, boolean]>([
    ["answers.age >= 18", { age: 18 }, true],
    ["answers.age >= 18", { age: 17.5 }, false],
    ["answers.age == 18", { age: 18.0 }, true],
    ["answers.balance >= -5 && answers.balance < -0.5", { balance: -5 }, true],
    ["answers.age + 1 > 18", { age: 18 }, true],
    ["answers.savings * 12 <= 1200", { savings: 101 }, false],
    ["answers.income * 0.5 - 1 < answers.savings", { income: 10, savings: 3 }, false],
    ["answers.income / 12 >= 100", { income: 1_200 }, true],
    ["answers.age % 2 == 0", { age: 3 }, false],
    ["100 - (answers.a - (answers.b - 1)) == 98", { a: 3, b: 2 }, true],
    ["answers.tiny == 1e-12 && answers.huge == 1e300", { tiny: 1e-12, huge: 1e300 }, true],
    ["answers.first + ' ' + answers.last == 'Amina Öz 😀'", { first: "Amina", last: "Öz 😀" }, true],
    ['answers["how old?"] == 3', { "how old?": 3 }, true],
    ["has(answers.x)", {}, false],
    ["!has(answers.x) || answers.x > 1", { x: 2 }, true],
    ["'x' in answers", { x: null }, true],
    ["answers.likes.exists(it, it == 'tea')", { likes: ["milk", "tea"] }, true],
    ["answers.all(key, answers[key] != '')", { name: "Amina", city: "" }, false],
    ["answers.visits.all(v, v.weight > 0)", { visits: [{ weight: 4 }, { weight: 0 }] }, false],
    ["answers.l.all(x, answers.m.exists(y, x == y))", { l: [1, 2], m: [2, 1] }, true],
    ["answers.l.filter(x, x > 1).map(x, x * 2).size() == 2", { l: [1, 2, 3] }, true],
    ["answers.city in ['Kisumu', 'Nakuru']", { city: "Nakuru" }, true],
    ["'tea' in answers.likes && size(answers.likes) == 2", { likes: ["milk", "tea"] }, true],
    ["answers.a == answers.b && answers.a != answers.c", { a: [{ x: 1 }], b: [{ x: 1 }], c: [{ x: 2 }] }, true],
    ["answers.name.startsWith('Am') && answers.name.lowerAscii().contains('in')", { name: "AmINA" }, true],
    ['answers.phone.matches("^\\\\+[0-9]+$")', { phone: "+254" }, true],
    ['answers.phone.matches("^\\\\+[0-9]+$")', { phone: "0123" }, false],
    ["answers.a.matches('😀') ? answers.n * (2 + 1) == 6 : false", { a: "x😀", n: 2 }, true],
    ["timestamp(answers.at).getFullYear() == 2026", { at: "2026-03-01T10:00:00Z" }, true],
    ["timestamp(answers.at).getHours('Africa/Nairobi') == 13", { at: "2026-03-01T10:00:00Z" }, true],
    ["duration('1h') < timestamp(answers.b) - timestamp(answers.a)", days("2026-01-01", "2026-01-02"), true],
    ["event.type == 'onResponse' && event.form == 'census' && event.revision > 1", {}, true],
    ["event.time == null", {}, true],
    ["data.collector == 'amina'", {}, true],
  ])("%s of %j is %j", (text, answers, expected) => {
    expect(said(text, answers)).toBe(expected);
  });

  test.each<[string, unknown, string, string]>([
    ["answers.age >= 18", {}, "missing-answer", "No such key: age"],
    ["answers.constructor == 1", {}, "missing-answer", "No such key: constructor"],
    ["answers.__proto__ == 1", {}, "missing-answer", "No such key: __proto__"],
    ["answers.age > 18", "not an object", "missing-answer", "No such key: age"],
    ["answers.age >= 18", { age: "old" }, "wrong-type", "no such overload: dyn<string> >= int"],
    ["answers.age >= 18", { age: null }, "wrong-type", "no such overload: dyn<null> >= int"],
    ["answers.age.matches('1')", { age: 1 }, "wrong-type", "'double.matches(string)'"],
    ["answers.yes", { yes: "yes" }, "not-boolean", "it says neither true nor false but string"],
    ["answers.yes", { yes: null }, "not-boolean", "it says neither true nor false but null"],
    ["timestamp(answers.at) > timestamp('2020-01-01T00:00:00Z')", { at: "soon" }, "error", "ISO 8601"],
  ])("%s of %j says why it cannot be evaluated", (text, answers, reason, message) => {
    const evaluation = evaluated(text, { answers });
    expect(evaluation).toMatchObject({ kind: "problem", reason, message: expect.stringContaining(message) });
  });

  test("reads text as a number only where it says number()", () => {
    expect(said("answers.a <= 1300", { a: "1200" })).toBe("wrong-type");
    expect(said("number(answers.a) <= 1300", { a: " 1200.50 " })).toBe(true);
    expect(said("number(answers.a) <= 1300", { a: 1400 })).toBe(false);
    for (const a of ["", "abc", "1,200", "0x10", "Infinity", "1".repeat(65), null, [1], { a: 1 }, true]) {
      expect(said("number(answers.a) <= 1300", { a })).toBe("error");
    }
  });

  test("compares numbers as JSON has them, whole or not", () => {
    fc.assert(
      fc.property(fc.integer(), fc.oneof(fc.integer(), fc.double({ noNaN: true })), (limit, age) => {
        expect(said(`answers.age >= ${limit}`, { age })).toBe(age >= limit);
        expect(said("answers.age >= answers.limit", { age, limit })).toBe(age >= limit);
      }),
    );
  });

  test("calculates as its parentheses say, whatever the meter writes around it", () => {
    const { tree } = fc.letrec<{ tree: string; leaf: string }>((tie) => ({
      leaf: fc.oneof(
        fc.nat({ max: 99 }).map(String),
        fc.nat({ max: 99 }).map((whole) => `${whole}.25`),
        fc.constant("answers.n"),
      ),
      tree: fc.oneof(
        { maxDepth: 4 },
        tie("leaf"),
        fc
          .tuple(tie("tree"), fc.constantFrom("+", "-", "*"), tie("tree"))
          .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.double({ min: -10, max: 10, noNaN: true }), (text, n) => {
        const expected = new Function("answers", `return ${text}`)({ n }) as number;
        if (Number.isSafeInteger(expected) || Math.abs(expected) < 1e15)
          expect(said(`double(${text}) == answers.expected`, { n, expected })).toBe(true);
      }),
    );
  });
});

describe("what is no expression is refused with its place", () => {
  test.each<[string, number, number, string]>([
    ["answers.age >=", 1, 15, "Unexpected token: EOF"],
    ["answers.a == 1\n  && && true", 2, 6, "Unexpected token: AND"],
    ['answers.name == "x', 1, 17, "Unterminated string"],
    ["true &&\n  answer.x == 1", 2, 3, "Unknown variable: answer"],
    ["pb_literals == []", 1, 1, "Unknown variable: pb_literals"],
    ["pb_metered(answers, 0) == answers", 1, 1, "found no matching overload"],
    ["event.typ == 'onResponse'", 1, 7, "No such key: typ"],
    ["event.type == 1", 1, 1, "no such overload: string == int"],
    ["1 + 1", 1, 1, "must be true or false, but is of type int"],
    ["true && answers.a.matches('(?<=x)y')", 1, 27, "not one of RE2"],
    ["answers.a.matches('\\\\1')", 1, 19, "not one of RE2"],
    [`answers.a.matches('${"a".repeat(501)}')`, 1, 19, "longer than 500 characters"],
    ["answers.a.matches('((a{1,30}){30}){30}')", 1, 19, ""],
    ["answers.a.matches(answers.b)", 1, 1, "must be written out"],
    [Array(6).fill("answers.a.matches('x')").join("||"), 1, 1, "more than 5 times"],
    ["cel.bind(x, answers.a, x == 1)", 1, 1, "bind() is not available"],
    ["answers.a.split('').size() > 1", 1, 1, "split() is not available"],
    ["answers.a.all(x, x.all(y, y.all(z, z > 0)))", 1, 27, "more than 1 other loop"],
    [`${"(".repeat(60)}true${")".repeat(60)}`, 1, 41, "maxDepth"],
    [`${"!".repeat(60)}true`, 1, 41, "nested more than 40 deep"],
    [`true${"||1<2".repeat(180)}`, 1, 1_001, "maxAstNodes"],
    [`answers.a == "${"x".repeat(2_000)}"`, 1, 2_001, "at most 2000 are accepted"],
  ])("%s", (text, line, column, message) => {
    const result = compileExpression(text);
    if (result.ok) throw new Error("it was accepted");
    expect(result.problem.message).toContain(message);
    expect(result.problem.line).toBe(line);
    expect(result.problem.column).toBeGreaterThanOrEqual(1);
    if (column < 1_000 && !message.includes("more than 5 times")) expect(result.problem.column).toBe(column);
  });

  test("any text either compiles or is refused with a place inside it", () => {
    const parts =
      "answers|.a|(|)| && | >= |1|2.5|'x'|\n|[|]|has|!|event|.type|?|:|-|+|.matches(|.all(x, |x|{|}|,| in |size(".split(
        "|",
      );
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...parts)).map((chosen) => chosen.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const result = compileExpression(text);
        if (result.ok) return;
        const { line, column } = result.problem;
        expect(line).toBeLessThanOrEqual(text.split("\n").length);
        expect(column).toBeLessThanOrEqual((text.split("\n")[line - 1] ?? "").length + 1);
      }),
      { numRuns: 500 },
    );
  });
});

function days(a: string, b: string) {
  return { a: `${a}T00:00:00Z`, b: `${b}T00:00:00Z` };
}
