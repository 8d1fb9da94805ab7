import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { FILTER_LENGTH_MAX } from "@plugboard/contract";
import { compileFilter } from "../../src/domain/compile-filter.ts";

const text = readFileSync(join(import.meta.dirname, "../../../../docs/filters.md"), "utf8");

test("every example in docs/filters.md compiles", () => {
  const examples = [...text.matchAll(/```cel\n([\s\S]*?)```/g)].map(([, expression = ""]) => expression.trim());
  expect(examples.length).toBeGreaterThanOrEqual(6);
  for (const example of examples) expect(compileFilter(example)).toMatchObject({ ok: true });
});

test("docs/filters.md names the limits and what is refused", () => {
  expect(text).toContain(`at most ${FILTER_LENGTH_MAX.toLocaleString("en")} characters`);
  const calls = [
    "answers.a.matches('a')",
    "size(answers.a.split(',')) > 1",
    "answers.a.join() == ''",
    "b'{}'.json().a",
  ];
  for (const call of calls) {
    const compiled = compileFilter(call);
    expect(compiled.ok ? "accepted" : compiled.problem.message).toMatch(
      /^(matches|split|join|json)\(\) is not available/,
    );
  }
});
