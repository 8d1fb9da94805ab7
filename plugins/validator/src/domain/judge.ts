import type { EventAttributes, Flag } from "@plugboard/contract";
import { type EvaluationProblem, type Variables, variablesOf } from "@plugboard/rules";
import { compiledRule } from "./compiled-rule.ts";
import type { Rule } from "./settings.ts";

/** Why a rule said nothing about a response. Never a flag: a rule that could not be asked has found nothing wrong. */
interface SkippedRule {
  readonly rule: string;
  readonly reason: EvaluationProblem | "out-of-time";
  readonly detail: string;
}

export interface Verdict {
  readonly flags: readonly Flag[];
  readonly skipped: readonly SkippedRule[];
  /** Rules that were asked and had an answer. */
  readonly checked: number;
}

export interface JudgeOptions {
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** Time for all rules of one response, milliseconds; the rules left over are skipped. */
  readonly budgetMs?: number;
}

/** Well under the 500 ms a submit waits: one response's rules never hold the process longer than this and one rule. */
const BUDGET_MS = 200;

/**
 * Asks every rule about a response.
 *
 *   other form, or `when` is false          not asked
 *   `required` and a field is unanswered     flag
 *   `check` is true                          passed
 *   `check` is false                         flag
 *   `when` or `check` cannot be evaluated    skipped, with the reason
 */
export function judge(
  rules: readonly Rule[],
  event: EventAttributes,
  data: Readonly<Record<string, unknown>>,
  options: JudgeOptions,
): Verdict {
  const variables = variablesOf(event, data);
  const until = options.now() + (options.budgetMs ?? BUDGET_MS);
  const flags: Flag[] = [];
  const skipped: SkippedRule[] = [];
  let checked = 0;
  for (const rule of rules) {
    const finding =
      options.now() > until
        ? ({
            kind: "skipped",
            reason: "out-of-time",
            detail: "the rules before it took all the time there is",
          } as const)
        : ask(rule, variables);
    switch (finding.kind) {
      case "not-asked":
        break;
      case "passed":
        checked += 1;
        break;
      case "violated":
        checked += 1;
        flags.push({ rule: rule.id, message: rule.message, fields: rule.fields });
        break;
      case "skipped":
        skipped.push({ rule: rule.id, reason: finding.reason, detail: finding.detail });
        break;
      default:
        finding satisfies never;
    }
  }
  return { flags, skipped, checked };
}

type Finding =
  | { readonly kind: "not-asked" | "passed" | "violated" }
  | { readonly kind: "skipped"; readonly reason: SkippedRule["reason"]; readonly detail: string };

function ask(rule: Rule, variables: Variables): Finding {
  if (rule.form !== undefined && rule.form !== variables.event.form) return { kind: "not-asked" };
  if (rule.when !== undefined) {
    const applies = evaluate(rule.when, variables);
    if (typeof applies !== "boolean") return applies;
    if (!applies) return { kind: "not-asked" };
  }
  if (rule.required && rule.fields.some((field) => !isAnswered(variables.answers, field))) return { kind: "violated" };
  const good = evaluate(rule.check, variables);
  if (typeof good !== "boolean") return good;
  return { kind: good ? "passed" : "violated" };
}

function evaluate(text: string, variables: Variables): boolean | Extract<Finding, { kind: "skipped" }> {
  const compiled = compiledRule(text);
  if (!compiled.ok) return skipped("error", compiled.problem.message);
  const evaluation = compiled.expression.evaluate(variables);
  switch (evaluation.kind) {
    case "value":
      return evaluation.value;
    case "problem":
      return skipped(evaluation.reason, evaluation.message);
    default:
      return evaluation satisfies never;
  }
}

function skipped(reason: SkippedRule["reason"], detail: string): Extract<Finding, { kind: "skipped" }> {
  return { kind: "skipped", reason, detail };
}

function isAnswered(answers: Variables["answers"], field: string): boolean {
  if (!Object.hasOwn(answers, field)) return false;
  const value = answers[field];
  return value !== null && value !== undefined && !(typeof value === "string" && value.trim() === "");
}
