import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { compileExpression, EXPRESSION_LENGTH_MAX } from "../src/index.ts";
import { STEPS_MAX } from "../src/meter.ts";
import { evaluated } from "./evaluated.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/filters-and-rules.md"), "utf8");
const casesSchema = z.array(
  z.strictObject({
    answers: z.record(z.string(), z.unknown()).optional(),
    data: z.record(z.string(), z.unknown()).optional(),
    says: z.union([z.boolean(), z.string()]),
  }),
);
const examples = [...PAGE.matchAll(/```cel\n(.*?)\n```\n```json\n(.*?)\n```/gs)].map(
  ([, expression = "", cases = ""]) => [expression, casesSchema.parse(JSON.parse(cases))] as const,
);

describe("docs/filters-and-rules.md", () => {
  test("has eight examples, each with what it says of some responses", () => {
    expect(examples).toHaveLength(8);
    expect(PAGE.match(/```cel/g)).toHaveLength(8);
  });

  test.each(examples)("%s says what the page says", (expression, cases) => {
    for (const { answers, data, says } of cases) {
      const evaluation = evaluated(expression, { ...data, answers });
      expect(evaluation.kind === "value" ? evaluation.value : evaluation.reason).toBe(says);
    }
  });

  test("names the limits and what is not available", () => {
    expect(PAGE).toContain(`${EXPRESSION_LENGTH_MAX.toLocaleString("en")} characters`);
    expect(PAGE).toContain(`${STEPS_MAX.toLocaleString("en")} steps`);
    for (const call of ["'a'.split('')", "['a'].join()", "b'{}'.json()", "cel.bind(x, 1, x)"]) {
      const name = /(\w+)\((?!.*\w+\()/.exec(call)?.[1] ?? "";
      expect(compileExpression(`size(${call}) > 0`)).toMatchObject({
        problem: { message: expect.stringContaining(`${name}() is not available`) },
      });
      expect(PAGE).toMatch(new RegExp(`\`(cel\\.)?${name}\``));
    }
  });
});
