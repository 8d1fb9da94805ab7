import type { ProblemItem } from "@plugboard/contract";
import { compiledRule } from "./compiled-rule.ts";
import type { Rule } from "./settings.ts";

/** Everything wrong with a team's rules that their schema cannot say, with JSON pointers. */
export function checkRules(rules: readonly Rule[]): ProblemItem[] {
  const firstWithId = new Map<string, number>();
  return rules.flatMap((rule, index) => {
    const problems = [...expressionProblems(rule, index)];
    const first = firstWithId.get(rule.id);
    if (first === undefined) firstWithId.set(rule.id, index);
    else problems.push({ path: `/rules/${index}/id`, message: `is also the id of /rules/${first}` });
    if (rule.required && rule.fields.length === 0) {
      problems.push({
        path: `/rules/${index}/required`,
        message: "needs `fields`: the questions that must be answered",
      });
    }
    return problems;
  });
}

function* expressionProblems(rule: Rule, index: number): Generator<ProblemItem> {
  for (const name of ["when", "check"] as const) {
    const text = rule[name];
    if (text === undefined) continue;
    const compiled = compiledRule(text);
    if (compiled.ok) continue;
    const { message, line, column } = compiled.problem;
    yield { path: `/rules/${index}/${name}`, message: `line ${line}, column ${column}: ${message}` };
  }
}
