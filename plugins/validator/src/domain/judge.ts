import { EvaluationError } from "@marcbachmann/cel-js";
import type { EventAttributes, Flag } from "@plugboard/contract";
import { compileExpression, type Expression, type Variables } from "./compile-expression.ts";
import type { Rule } from "./settings.ts";

/** Why a rule said nothing about a response. Never a flag: a rule that could not be asked has found nothing wrong. */
interface SkippedRule {
  readonly rule: string;
  readonly reason: "missing-answer" | "wrong-type" | "not-boolean" | "too-large" | "out-of-time" | "error";
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

/** Well under the 500 ms a submit waits: one response's rules never hold the process longer than about this. */
const BUDGET_MS = 200;
/** Largest list, map or text that a loop within a loop may see: its square, 4 million steps, takes about 0.3 s. */
const NESTED_LOOP_SIZE_MAX = 2_000;

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
  const compiled = compileExpression(text);
  if (compiled.kind === "invalid") return skipped("error", compiled.message);
  if (compiled.expression.loopDepth > 1 && sizeOf(variables.data) > NESTED_LOOP_SIZE_MAX) {
    return skipped("too-large", `it loops within a loop over more than ${NESTED_LOOP_SIZE_MAX} items`);
  }
  return outcome(compiled.expression, variables);
}

function outcome(expression: Expression, variables: Variables): boolean | Extract<Finding, { kind: "skipped" }> {
  try {
    const value = expression.evaluate(variables);
    if (typeof value === "boolean") return value;
    return skipped("not-boolean", `it says neither true nor false but ${value === null ? "null" : typeof value}`);
  } catch (error) {
    if (!(error instanceof EvaluationError)) return skipped("error", (error as Error).message);
    if (error.code === "no_such_key") return skipped("missing-answer", error.summary);
    return skipped(error.code === "no_such_overload" ? "wrong-type" : "error", error.summary);
  }
}

function skipped(reason: SkippedRule["reason"], detail: string): Extract<Finding, { kind: "skipped" }> {
  return { kind: "skipped", reason, detail };
}

function variablesOf(event: EventAttributes, data: Readonly<Record<string, unknown>>): Variables {
  const { id, source, type, teamId, formId, responseId, revision, time } = event;
  return {
    answers: isRecord(data.answers) ? data.answers : {},
    data,
    event: { id, source, type, team: teamId, form: formId, response: responseId, revision, time },
  };
}

function isAnswered(answers: Variables["answers"], field: string): boolean {
  if (!Object.hasOwn(answers, field)) return false;
  const value = answers[field];
  return value !== null && value !== undefined && !(typeof value === "string" && value.trim() === "");
}

/** The largest list, map or text anywhere in the data. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  const items: unknown[] = Array.isArray(value) ? value : Object.values(value);
  return items.reduce((largest: number, item) => Math.max(largest, sizeOf(item)), items.length);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
