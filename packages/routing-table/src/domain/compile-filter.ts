import type { EventAttributes } from "@plugboard/contract";
import { compileExpression, type Expression, variablesOf } from "@plugboard/rules";

/**
 * A team's filter: an expression over `event`, `data` and `answers`, in the language of docs/filters-and-rules.md. One
 * team's filter is evaluated on the thread that routes for every team; `@plugboard/rules` bounds what that costs.
 */
export interface CompiledFilter {
  /** Never throws: what cannot be evaluated is an answer, too. */
  matches(input: FilterInput): FilterResult;
}

export interface FilterInput {
  readonly event: EventAttributes;
  readonly data: object;
}

export type FilterResult =
  | { readonly kind: "match" }
  | { readonly kind: "no-match" }
  | { readonly kind: "error"; readonly message: string };

/** Where an expression is wrong: line and column count from 1. */
export interface FilterProblem {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

export type CompileResult =
  | { readonly ok: true; readonly filter: CompiledFilter }
  | { readonly ok: false; readonly problem: FilterProblem };

const MATCH: FilterResult = { kind: "match" };
const NO_MATCH: FilterResult = { kind: "no-match" };

/** Compiles a filter, or says what is wrong with it and where. */
export function compileFilter(text: string): CompileResult {
  const compiled = compileExpression(text);
  if (!compiled.ok) return compiled;
  const { expression } = compiled;
  return { ok: true, filter: { matches: (input) => matches(expression, input) } };
}

function matches(expression: Expression, { event, data }: FilterInput): FilterResult {
  const evaluation = expression.evaluate(variablesOf(event, data));
  switch (evaluation.kind) {
    case "value":
      return evaluation.value ? MATCH : NO_MATCH;
    case "problem":
      return { kind: "error", message: evaluation.message };
    default:
      return evaluation satisfies never;
  }
}
