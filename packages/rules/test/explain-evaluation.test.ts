import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { explainEvaluation, variablesOf } from "../src/index.ts";
import { EVENT, evaluated } from "./evaluated.ts";

const DATA = { answers: { name: "Amina", town: "Kisumu", members: [{ age: 3 }, {}] }, place: { city: "Kisumu" } };
const explained = (text: string, data: object = DATA) => explainEvaluation(text, variablesOf(EVENT, data));

/** The part of the expression that the place marks. */
function marked(text: string): string | null {
  const result = explained(text);
  if (result.kind !== "problem" || result.place === null) return null;
  const { line, column, endColumn } = result.place;
  return text.split("\n")[line - 1]?.slice(column - 1, endColumn - 1) ?? "";
}

describe("explaining an evaluation", () => {
  test.each<[string, string, string, string | null, string[] | null]>([
    ["a missing answer", "answers.age >= 18", "answers.age", "answers.age", ["name", "town", "members"]],
    [
      "one behind a loop",
      "[1, 2].exists(x, x == 2) && answers.age == 1",
      "answers.age",
      "answers.age",
      ["name", "town", "members"],
    ],
    [
      "one whose id is no word",
      'answers["q-1"] == "yes"',
      'answers["q-1"]',
      'answers["q-1"]',
      ["name", "town", "members"],
    ],
    [
      "one of two large sides",
      "answers.town == answers.city",
      "answers.city",
      "answers.city",
      ["name", "town", "members"],
    ],
    [
      "one on another line",
      'event.form == "census" &&\n  data.place.street == "x"',
      "data.place.street",
      "data.place.street",
      ["city"],
    ],
    ["one of a loop's item", "answers.members.all(m, m.age > 0)", "m.age", "m.age", null],
    ["one inside a function", "number(answers.age) > 1", "answers.age", "answers.age", ["name", "town", "members"]],
    ["text where a number is needed", "answers.name > 3", "answers.name > 3", null, null],
    [
      "text where a pattern is asked of a list",
      'answers.members.matches("^a") ',
      'answers.members.matches("^a")',
      null,
      null,
    ],
  ])("%s is marked where it stands", (_what, text, at, missing, present) => {
    expect(marked(text)).toBe(at);
    expect(explained(text)).toMatchObject({ kind: "problem", missing, present });
  });

  test("a value and a wrong expression are told as they are", () => {
    expect(explained('answers.town == "Kisumu"')).toEqual({ kind: "value", value: true });
    expect(explained("answers.town ==")).toMatchObject({ kind: "invalid", problem: { line: 1 } });
    expect(explained("answers.name")).toMatchObject({ reason: "not-boolean", place: null, missing: null });
  });

  test("at most fifty names are listed, none of them endless", () => {
    const answers = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`${n}-${"x".repeat(1_000)}`, n]));
    const result = explained("answers.age > 1", { answers });
    expect(result.kind === "problem" ? result.present : null).toHaveLength(50);
    expect(JSON.stringify(result).length).toBeLessThan(6_000);
  });

  test("says of any answers what the evaluation itself says", () => {
    const texts = [
      "answers.a > answers.b",
      "has(answers.a) && answers.a.x == 1",
      'answers.a.matches("^x+$")',
      "answers.a.all(i, i.n > 1)",
    ];
    const value = fc.oneof(
      fc.string(),
      fc.double({ noNaN: true }),
      fc.array(fc.record({ n: fc.integer() })),
      fc.constant(null),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.record({ a: value, b: value }, { requiredKeys: [] }),
        (text, answers) => {
          const evaluation = evaluated(text, { answers });
          const explanation = explained(text, { answers });
          expect(explanation).toMatchObject(
            evaluation.kind === "value" ? evaluation : { reason: evaluation.reason, message: evaluation.message },
          );
        },
      ),
    );
  });
});
