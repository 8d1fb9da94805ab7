import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { dialect } from "../src/dialect.ts";
import { compileExpression, variablesOf } from "../src/index.ts";
import { EVENT } from "./evaluated.ts";

const literal = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((value) => value.toFixed(12)),
  fc.constantFrom("1e-12", "2.5e10", "3u", "null", "true", "b'ab'", "r'\\d'", "'\\u00e9'", "'''three'''"),
  fc.string({ unit: "grapheme", maxLength: 5 }).map((text) => JSON.stringify(text)),
);

const { question } = fc.letrec<Record<"question" | "value" | "list", string>>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    literal,
    fc.constantFrom("answers.n", "answers.m", "answers.t", "answers['t']", "x", "event.team", "answers.none"),
    tie("list"),
    fc
      .tuple(tie("value"), fc.constantFrom("+", "-", "*", "/", "%"), tie("value"), fc.boolean())
      .map(([left, operator, right, whole]) =>
        whole ? `(${left} ${operator} ${right})` : `${left} ${operator} ${right}`,
      ),
    tie("value").map((of) => `-(${of})`),
    tie("value").map((of) => `size(${of})`),
    tie("value").map((of) => `number(${of})`),
    fc.tuple(tie("value"), tie("value")).map(([text, searched]) => `(${text}).indexOf(${searched})`),
    fc.tuple(tie("question"), tie("value"), tie("value")).map(([is, then, or]) => `(${is} ? ${then} : ${or})`),
    fc.tuple(tie("value"), tie("value")).map(([key, value]) => `{${key}: ${value}}`),
  ),
  list: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("answers.l", "answers.o"),
    fc.tuple(tie("value"), tie("value")).map((items) => `[${items.join(", ")}]`),
    fc.tuple(tie("list"), tie("value")).map(([over, body]) => `(${over}).map(x, ${body})`),
    fc.tuple(tie("list"), tie("question")).map(([over, body]) => `(${over}).filter(x, ${body})`),
  ),
  question: fc.oneof(
    { maxDepth: 3 },
    fc
      .tuple(tie("value"), fc.constantFrom("==", "!=", "<", ">=", "in"), tie("value"))
      .map((parts) => `(${parts.join(" ")})`),
    fc.tuple(tie("question"), fc.constantFrom("&&", "||"), tie("question")).map((parts) => parts.join(" ")),
    tie("question").map((of) => `!(${of})`),
    fc.tuple(tie("list"), tie("question")).map(([over, body]) => `(${over}).exists(x, ${body})`),
    fc.constantFrom("has(answers.n)", "has(answers.none.a)", "answers.t.startsWith('a')"),
  ),
}));

const data = { answers: { n: 3, m: 2.5, t: "a text", l: [1, 2.5, "a", [1]], o: { a: 1, b: [2] } } };
const variables = variablesOf(EVENT, data);

/** What the library itself makes of an expression, without the meter; wordings differ in how they name types. */
function unmetered(text: string): boolean | "problem" {
  try {
    const run = dialect.parse(text);
    run.check();
    const value = run({ event: variables.event, data: variables.data, answers: variables.answers });
    return typeof value === "boolean" ? value : "problem";
  } catch {
    return "problem";
  }
}

test("an expression means the same with the meter as without it", () => {
  let compared = 0;
  fc.assert(
    fc.property(question, (question) => {
      const text = `answers.l.exists(x, ${question})`;
      const compiled = compileExpression(text);
      if (!compiled.ok) return;
      const evaluation = compiled.expression.evaluate(variables);
      if (evaluation.kind === "problem" && evaluation.reason === "too-large") return;
      compared += 1;
      expect(evaluation.kind === "value" ? evaluation.value : "problem").toBe(unmetered(text));
    }),
    { numRuns: 1_000 },
  );
  expect(compared).toBeGreaterThan(100);
});
