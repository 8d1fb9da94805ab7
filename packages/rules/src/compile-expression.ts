import { type ASTNode, EvaluationError, ParseError, TypeError as TypeProblem } from "@marcbachmann/cel-js";
import { FILTER_LENGTH_MAX } from "@plugboard/contract";
import { dialect, METER, meteredDialect } from "./dialect.ts";
import { inspectSyntax } from "./inspect-syntax.ts";
import type { LinearPattern } from "./linear-pattern.ts";
import { meterProblem, startMeter, TooLargeError } from "./meter.ts";
import { meteredText } from "./metered-text.ts";
import type { Variables } from "./variables.ts";

/** Longest expression, in characters; of a rule as of a filter. */
export const EXPRESSION_LENGTH_MAX = FILTER_LENGTH_MAX;

/** A checked expression, ready to be evaluated on any number of events. */
export interface Expression {
  /** Never throws, and takes a bounded number of steps: what cannot be evaluated is an answer, too. */
  evaluate(variables: Variables): Evaluation;
}

/** Why an expression says neither true nor false of an event. */
export type EvaluationProblem = "missing-answer" | "wrong-type" | "not-boolean" | "too-large" | "error";

/** Offsets in a text; `end` is behind the last character. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export type Evaluation =
  | { readonly kind: "value"; readonly value: boolean }
  | {
      readonly kind: "problem";
      readonly reason: EvaluationProblem;
      readonly message: string;
      /** Where in the text that is evaluated, for `explainEvaluation`; null when the whole is meant. */
      readonly at: TextRange | null;
    };

/** Where an expression is wrong: line and column count from 1. */
export interface ExpressionProblem {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

export type CompiledExpression =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly problem: ExpressionProblem };

/**
 * Compiles a team's yes-or-no question about an event, or says what is wrong with it and where. docs/filters-and-rules.md
 * is the language; a filter of the router and a rule of the validator are both in it. Takes up to some milliseconds:
 * callers keep what it gives.
 */
export function compileExpression(text: string): CompiledExpression {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    const message = `the expression has ${text.length} characters; at most ${EXPRESSION_LENGTH_MAX} are accepted`;
    return refused(text, message, EXPRESSION_LENGTH_MAX);
  }
  try {
    const parsed = dialect.parse(text);
    const syntax = inspectSyntax(parsed.ast);
    if (!syntax.ok) return refused(text, syntax.message, syntax.at);
    const { valid, type, error } = parsed.check();
    if (!valid) return refused(text, error?.summary ?? "the expression is not valid", error?.range?.start);
    if (type !== "bool" && type !== "dyn") return refused(text, `must be true or false, but is of type ${type}`);
    return metered(parsed.ast, syntax.patterns);
  } catch (error) {
    if (error instanceof ParseError || error instanceof TypeProblem)
      return refused(text, error.summary, error.range?.start);
    return refused(text, (error as Error).message);
  }
}

/** A checked expression with the meter in it; a function of its own, so that the syntax tree it came from is let go. */
function metered(ast: ASTNode, patternsOf: ReadonlyMap<ASTNode, LinearPattern>): CompiledExpression {
  const numbers = new Map([...patternsOf.keys()].map((node, number) => [node, number]));
  const { text, literals } = meteredText(ast, (node) => numbers.get(node) ?? -1);
  return { ok: true, expression: expressionOf(text, literals, [...patternsOf.values()]) };
}

/** @throws Error when the library does not take what the meter made of the expression. */
function expressionOf(text: string, literals: readonly unknown[], patterns: readonly LinearPattern[]): Expression {
  const run = meteredDialect.parse(text);
  const { valid, error } = run.check();
  if (!valid) throw new Error(error?.summary ?? "the expression is not valid");
  return { evaluate: (variables) => evaluate(run, variables, literals, patterns) };
}

const TRUE: Evaluation = { kind: "value", value: true };
const FALSE: Evaluation = { kind: "value", value: false };

function evaluate(
  run: (context: Record<string, unknown>) => unknown,
  { event, data, answers, tooDeep }: Variables,
  literals: readonly unknown[],
  patterns: readonly LinearPattern[],
): Evaluation {
  if (tooDeep) return problem("too-large", "the data is nested too deep");
  const { stackTraceLimit } = Error;
  // A loop may meet an error for each item, and nobody reads their stacks: they took three quarters of its time.
  Error.stackTraceLimit = 0;
  startMeter(patterns);
  try {
    const value = run({ event, data, answers, [METER.literals]: literals });
    const exhausted = meterProblem();
    if (exhausted !== null) return problem("too-large", exhausted);
    if (value === true) return TRUE;
    if (value === false) return FALSE;
    return problem("not-boolean", `it says neither true nor false but ${value === null ? "null" : typeof value}`);
  } catch (error) {
    return problemOf(error);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function problemOf(error: unknown): Evaluation {
  const exhausted = meterProblem();
  if (exhausted !== null) return problem("too-large", exhausted);
  if (error instanceof TooLargeError) return problem("too-large", error.message);
  if (!(error instanceof EvaluationError)) return problem("error", (error as Error).message);
  const message = error.summary.replace(`${METER.matches}(int)`, "matches(string)");
  const at = error.range ?? null;
  if (error.code === "no_such_key") return problem("missing-answer", message, at);
  const isTypeProblem = error.code === "no_such_overload" || error.code === "no_matching_overload";
  return problem(isTypeProblem ? "wrong-type" : "error", message, at);
}

function problem(reason: EvaluationProblem, message: string, at: TextRange | null = null): Evaluation {
  return { kind: "problem", reason, message, at };
}

function refused(text: string, message: string, at = 0): CompiledExpression {
  const before = text.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { ok: false, problem: { message, line: before.split("\n").length, column: at - lineStart + 1 } };
}
