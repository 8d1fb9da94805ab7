import { describe, expect, test } from "@jest/globals";
import { checkRules } from "../../src/domain/check-rules.ts";
import { compiledRule } from "../../src/domain/compiled-rule.ts";
import { ruleSchema, settingsSchema } from "../../src/domain/settings.ts";

const rule = (input: object) => ruleSchema.parse({ id: "r", check: "true", message: "wrong", ...input });

describe("checkRules", () => {
  test("finds nothing wrong with good rules", () => {
    const check = "answers.monthly_savings <= answers.monthly_income";
    expect(checkRules([rule({ check, when: "has(answers.monthly_savings)", required: true, fields: ["x"] })])).toEqual(
      [],
    );
  });

  test("lists every problem at once with its JSON pointer and place", () => {
    const problems = checkRules([
      rule({ id: "a", check: "answers.a >" }),
      rule({ id: "b", check: "answers.a >\n  nonsense.b" }),
      rule({ id: "a", check: "1 + 2", when: "unknownFunction(1)" }),
      rule({ id: "d", required: true }),
    ]);
    expect(problems).toEqual([
      { path: "/rules/0/check", message: "line 1, column 12: Unexpected token: EOF" },
      { path: "/rules/1/check", message: "line 2, column 3: Unknown variable: nonsense" },
      { path: "/rules/2/when", message: expect.stringContaining("line 1, column 1: found no matching overload") },
      { path: "/rules/2/check", message: "line 1, column 1: must be true or false, but is of type int" },
      { path: "/rules/2/id", message: "is also the id of /rules/0" },
      { path: "/rules/3/required", message: expect.stringContaining("needs `fields`") },
    ]);
  });

  test("refuses patterns that RE2 does not know and loops three deep", () => {
    const paths = checkRules([
      rule({ id: "a", check: 'answers.a.matches("(?<=x)y")' }),
      rule({ id: "b", check: `answers.a.matches("${"a".repeat(501)}")` }),
      rule({ id: "c", check: "answers.a.all(x, x.all(y, y.all(z, z > 0)))" }),
      rule({
        id: "d",
        check: "answers.a.all(x, x.all(y, y > 0)) && answers.b.map(x, x.c).filter(y, y > 0).all(z, z > 1)",
      }),
    ]).map(({ path }) => path);
    expect(paths).toEqual(["/rules/0/check", "/rules/1/check", "/rules/2/check"]);
  });
});

test("an expression is compiled once", () => {
  expect(compiledRule("answers.once > 1")).toBe(compiledRule("answers.once > 1"));
});

describe("the settings' schema", () => {
  test.each([
    ["no rules", {}],
    ["an empty list", { rules: [] }],
    [
      "too many rules",
      { rules: Array.from({ length: 101 }, (_, id) => ({ id: `${id}`, check: "true", message: "m" })) },
    ],
    ["a field nobody knows", { rules: [{ id: "a", check: "true", message: "m", chek: 1 }] }],
    ["a rule without message", { rules: [{ id: "a", check: "true" }] }],
    ["an endless expression", { rules: [{ id: "a", check: "x".repeat(2_001), message: "m" }] }],
  ])("refuses %s", (_, settings) => {
    expect(settingsSchema.safeParse(settings).success).toBe(false);
  });
});
