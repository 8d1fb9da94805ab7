import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { compileExpression, variablesOf } from "../src/index.ts";
import { compiled, EVENT, evaluated, said } from "./evaluated.ts";

const count = (length: number) => Array.from({ length }, (_, at) => at);
const zoned = "timestamp('2020-01-01T00:00:00Z').getHours('Europe/Berlin')";
const tooLarge = expect.objectContaining({ kind: "problem", reason: "too-large" });

/** Each of these runs for minutes, or takes all memory, where the meter does not stop it. */
describe("an evaluation ends early", () => {
  test.each<[string, string, object]>([
    ["a list that doubles itself", `[[1]]${".map(x, x + x)".repeat(35)}.size() == 1`, {}],
    ["a text that doubles itself", `['ab']${".map(x, x + x)".repeat(35)}.size() == 1`, {}],
    [
      "lists that hold the list before them twice, compared",
      `[[1]]${".map(x, [x, x])".repeat(35)} == [[1]]${".map(x, [x, x])".repeat(35)}`,
      {},
    ],
    ["a loop in a loop", "data.l.all(x, data.l.exists(y, x == y - 1))", { l: count(20_000) }],
    ["a search in a loop", "data.l.all(x, x in data.l)", { l: count(20_000) }],
    ["a loop that fails on every item", "data.l.exists(x, data.l.exists(y, x.a == y.a))", { l: count(20_000) }],
    ["a loop whose error is swallowed", "data.l.all(x, data.l.all(y, x.a == y.a)) || true", { l: count(20_000) }],
    ["long texts compared in a loop", "data.l.all(x, data.t <= data.u)", { l: count(2_000), ...texts(500_000) }],
    ["long texts searched in a loop", "data.l.all(x, !data.t.contains('b'))", { l: count(2_000), ...texts(500_000) }],
    ["lists added up", `size(${Array(30).fill("data.l").join(" + ")}) == 1`, { l: count(200_000) }],
    ["a duration of a million digits", "duration(data.t) > duration('1s')", { t: "1".repeat(1_000_000) }],
    ["a date in a zone in a loop", `data.l.all(x, ${zoned} == 1)`, { l: count(20_000) }],
    ["a pattern on a very long text", "data.t.matches('^(a+)+$')", texts(1_000_000)],
    ["data nested without end", "answers.a == 1", { answers: { a: nested(100_000) } }],
    ["a value that contains itself", "answers.a == 1", { answers: { a: circle() } }],
    ["operands nested too deep", "answers.a == answers.b", { answers: { a: nested(6), b: nested(6) } }],
  ])("%s", (_what, text, data) => {
    expect(evaluated(text, data)).toEqual(tooLarge);
  });

  test("and not before: ordinary loops, long lists and long texts are within its steps", () => {
    expect(said("answers.l.all(x, x >= 0 && x < 5000)", { l: count(5_000) })).toBe(true);
    expect(said("answers.l.all(x, answers.l.exists(y, x == y))", { l: count(70) })).toBe(true);
    expect(said("49999 in answers.l", { l: count(50_000) })).toBe(true);
    expect(said("answers.t.contains('needle')", { t: `${"hay ".repeat(50_000)}needle` })).toBe(true);
    expect(said("answers.t.matches('^(a+)+$')", { t: `${"a".repeat(50_000)}!` })).toBe(false);
    expect(said("answers.a.b.c.d.e.f == 1", { a: { b: { c: { d: { e: { f: 1 } } } } } })).toBe(true);
  });

  test("on a list within the limit, and one step further not", () => {
    const ends = (length: number) => said("answers.l.all(x, x >= 0)", { l: count(length) });
    expect(ends(5_000)).toBe(true);
    expect(ends(15_000)).toBe("too-large");
  });
});

describe("whatever the data", () => {
  const expressions = [
    "answers.a <= answers.b",
    "answers.a == answers.b || answers.a != data.x",
    "answers.a + answers.b == answers.a",
    "answers.a - answers.b > 0 && -answers.a < 1",
    "number(answers.a) + 1 > 0",
    "answers.a.matches('^(a|a)*$')",
    "answers.a.contains(answers.b)",
    "answers.a.all(x, x.b > 1)",
    "answers.a.map(x, x).exists(y, y in answers.b)",
    "answers.all(key, answers[key] == data.a)",
    "answers.a.exists(x, answers.b.exists_one(y, x == y))",
    "has(answers.a) && answers.a in answers.b",
    "has(answers.a.b) ? answers.a.b : answers.b",
    "size(answers.a) > int(answers.b)",
    "timestamp(answers.a) < timestamp(answers.b)",
    "duration(answers.a) < duration('1h')",
    "answers.a[0] == answers.b[answers.a]",
    "answers.a",
  ].map(compiled);

  test("an expression never throws and says true, false or why neither, the same each time", () => {
    const answer = fc.oneof(
      fc.jsonValue(),
      fc.string({ maxLength: 2_000 }),
      fc.array(fc.integer(), { maxLength: 2_000 }),
      fc.constantFrom<unknown>(nested(8), nested(2_000), "a".repeat(100_000), count(30_000), circle()),
    );
    fc.assert(
      fc.property(answer, answer, fc.anything(), (a, b, x) => {
        for (const data of [{ answers: { a, b }, x, a }, { answers: { a } }, { answers: x }]) {
          const variables = variablesOf(EVENT, data);
          for (const expression of expressions) {
            const evaluation = expression.evaluate(variables);
            if (evaluation.kind === "value") expect(typeof evaluation.value).toBe("boolean");
            else expect(evaluation.message).not.toBe("");
            expect(expression.evaluate(variables)).toEqual(evaluation);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("any expression made of the language's parts ends", () => {
    const { yes } = fc.letrec<{ yes: string; list: string; any: string }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom("answers.a", "answers.b", "x", "1", "'a'", "data", "2.5", "null"),
        tie("list"),
        fc.tuple(tie("any"), fc.constantFrom("+", "-", "*", "%"), tie("any")).map((parts) => `(${parts.join(" ")})`),
        tie("any").map((of) => `size(${of})`),
        tie("any").map((of) => `${of}.lowerAscii()`),
      ),
      list: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom("answers.l", "[1, 2]", "[answers.l]"),
        fc.tuple(tie("list"), tie("any")).map(([over, body]) => `${over}.map(x, ${body})`),
        fc.tuple(tie("list"), tie("yes")).map(([over, body]) => `${over}.filter(x, ${body})`),
        fc.tuple(tie("list"), tie("list")).map(([one, other]) => `(${one} + ${other})`),
      ),
      yes: fc.oneof(
        { maxDepth: 3 },
        fc.tuple(tie("any"), fc.constantFrom("==", "!=", "<", "in"), tie("any")).map((parts) => `(${parts.join(" ")})`),
        fc.tuple(tie("list"), tie("yes")).map(([over, body]) => `${over}.exists(x, ${body})`),
        fc.tuple(tie("list"), tie("yes")).map(([over, body]) => `${over}.all(x, ${body})`),
        fc.tuple(tie("yes"), fc.constantFrom("&&", "||"), tie("yes")).map((parts) => `(${parts.join(" ")})`),
        tie("any").map((of) => `string(${of}).matches('^(a+)+$')`),
      ),
    }));
    const data = { answers: { a: "a".repeat(20_000), b: 3, l: [...count(3_000), [1, 2], { a: "b" }] } };
    const variables = variablesOf(EVENT, data);
    let evaluations = 0;
    fc.assert(
      fc.property(yes, (text) => {
        // `x` is only known inside a loop; outside it the expression is refused.
        const result = compileExpression(`answers.l.exists(x, ${text})`);
        if (!result.ok) return;
        evaluations += 1;
        expect(["value", "problem"]).toContain(result.expression.evaluate(variables).kind);
      }),
      { numRuns: 300 },
    );
    expect(evaluations).toBeGreaterThan(20);
  });
});

function texts(length: number) {
  return { t: "a".repeat(length), u: "a".repeat(length) };
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let at = 0; at < depth; at += 1) value = at % 2 === 0 ? [value] : { a: value };
  return value;
}

function circle(): unknown {
  const value: unknown[] = [];
  value.push(value);
  return value;
}
