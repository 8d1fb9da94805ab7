import type { ASTNode } from "@marcbachmann/cel-js";
import {
  compileExpression,
  type EvaluationProblem,
  type ExpressionProblem,
  type TextRange,
} from "./compile-expression.ts";
import { dialect, METER, meteredDialect } from "./dialect.ts";
import { childrenOf, inspectSyntax } from "./inspect-syntax.ts";
import { meteredText } from "./metered-text.ts";
import type { Variables } from "./variables.ts";

/** Names listed of what an event does have, and the longest that is listed; the rest is for the event itself to show. */
const NAMES_MAX = 50;
const NAME_LENGTH_MAX = 100;

/** Where in an expression: line and column count from 1; the columns up to `endColumn` are meant. */
export interface ExpressionPlace {
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/** What an expression says of one event, told so that its author can correct it. */
export type ExplainedEvaluation =
  | { readonly kind: "value"; readonly value: boolean }
  | { readonly kind: "invalid"; readonly problem: ExpressionProblem }
  | {
      readonly kind: "problem";
      readonly reason: EvaluationProblem;
      readonly message: string;
      /** Null when the problem is the expression's as a whole. */
      readonly place: ExpressionPlace | null;
      /** What was asked for and is not there, as it is written: `answers.age`; null for other problems. */
      readonly missing: string | null;
      /** The names that are there instead, at most {@link NAMES_MAX}; null where that cannot be told. */
      readonly present: readonly string[] | null;
    };

/**
 * Evaluates an expression as a filter or rule is, and says where a problem stands in it and what the event has instead
 * of a missing answer. Compiles anew each time: for people who try something, not for every event.
 */
export function explainEvaluation(text: string, variables: Variables): ExplainedEvaluation {
  const compiled = compileExpression(text);
  if (!compiled.ok) return { kind: "invalid", problem: compiled.problem };
  const evaluation = compiled.expression.evaluate(variables);
  if (evaluation.kind === "value") return evaluation;
  const { reason, message, at } = evaluation;
  const node = at === null ? undefined : originalNode(text, at);
  const asked = reason === "missing-answer" ? node : undefined;
  return {
    kind: "problem",
    reason,
    message,
    place: node === undefined ? null : placeOf(text, node),
    missing: asked === undefined ? null : text.slice(asked.range.start, asked.range.end).trim(),
    present: asked === undefined ? null : namesBeside(asked, variables),
  };
}

/** The node that was evaluated at this place of the metered text: the two trees differ only in the meter's calls. */
function originalNode(text: string, at: TextRange): ASTNode | undefined {
  const { ast } = dialect.parse(text);
  const syntax = inspectSyntax(ast);
  if (!syntax.ok) return undefined;
  const numbers = new Map([...syntax.patterns.keys()].map((node, number) => [node, number]));
  let evaluated = withoutMeter(meteredDialect.parse(meteredText(ast, (node) => numbers.get(node) ?? -1).text).ast);
  let original = ast;
  // Down to the last node that holds the place; the depth of both trees is bounded.
  for (;;) {
    const children = childrenOf(evaluated).map(withoutMeter);
    const index = children.findIndex(({ range }) => range.start <= at.start && at.end <= range.end);
    const below = childrenOf(original)[index];
    const child = children[index];
    if (index === -1 || below === undefined || child === undefined) return original;
    evaluated = child;
    original = below;
  }
}

const METER_CALLS: ReadonlySet<string> = new Set([METER.items, METER.deep, METER.short]);

function withoutMeter(node: ASTNode): ASTNode {
  let inner = node;
  while (inner.op === "call" && METER_CALLS.has(inner.args[0])) {
    const [first] = inner.args[1];
    if (first === undefined) return inner;
    inner = first;
  }
  return inner;
}

function placeOf(text: string, { range }: ASTNode): ExpressionPlace {
  const before = text.slice(0, range.start);
  const column = range.start - before.lastIndexOf("\n");
  const lineEnd = text.indexOf("\n", range.start);
  const end = Math.min(range.end, lineEnd === -1 ? text.length : lineEnd);
  return { line: before.split("\n").length, column, endColumn: column + Math.max(1, end - range.start) };
}

/** The names in what a missing one was looked for in; null when that is the item of a loop, or made by a function. */
function namesBeside(node: ASTNode, variables: Variables): string[] | null {
  if (node.op !== "." && node.op !== "[]") return null;
  const holder = valueAt(node.args[0], variables);
  if (typeof holder !== "object" || holder === null || Array.isArray(holder)) return null;
  return Object.keys(holder)
    .slice(0, NAMES_MAX)
    .map((name) => name.slice(0, NAME_LENGTH_MAX));
}

/** The value of a plain path such as `data.place.city` or `answers["q-1"]`; undefined for anything else. */
function valueAt(node: ASTNode, variables: Variables): unknown {
  if (node.op === "id") {
    const { event, data, answers } = variables;
    return ({ event, data, answers } as Readonly<Record<string, unknown>>)[node.args];
  }
  if (node.op !== "." && node.op !== "[]") return undefined;
  const holder = valueAt(node.args[0], variables);
  const key = node.op === "." ? node.args[1] : node.args[1].op === "value" ? node.args[1].args : undefined;
  if (typeof holder !== "object" || holder === null || typeof key !== "string") return undefined;
  return Object.hasOwn(holder, key) ? (holder as Record<string, unknown>)[key] : undefined;
}
