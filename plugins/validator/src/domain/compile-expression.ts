import { type ASTNode, ParseError, type ParseResult, serialize } from "@marcbachmann/cel-js";
import { LRUCache } from "lru-cache";
import { compilePattern, LINEAR_MATCH, RuleValueError, ruleLanguage } from "./rule-language.ts";

/** What an expression sees of a response. */
export interface Variables {
  readonly answers: Readonly<Record<string, unknown>>;
  readonly event: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A checked expression, ready to be evaluated on any number of responses. */
export interface Expression {
  /** @throws whatever evaluation throws; `judge` says what that means. */
  readonly evaluate: (variables: Variables) => unknown;
  /** How deep loops (`all`, `exists`, `map`, `filter`, …) stand in loops; 0 without any. */
  readonly loopDepth: number;
}

export type Compiled =
  | { readonly kind: "compiled"; readonly expression: Expression }
  /** `place` is the line and column in the expression, counted from 1. */
  | { readonly kind: "invalid"; readonly message: string; readonly place: { line: number; column: number } | null };

/** Loops in loops: two keep the cost of one rule at the square of the answers, three would not. */
const LOOP_DEPTH_MAX = 2;
/** Expressions kept compiled: 50 teams with all 100 rules, or 1,000 teams with a few, at about 2 KiB each. */
const EXPRESSIONS_MAX = 5_000;
const LOOPS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);

/**
 * Keyed by the expression's own text, not by team and settings version: a text always means the same, so nothing can be
 * stale, and teams that copied a rule from each other share it.
 */
const compiledTexts = new LRUCache<string, Compiled>({ max: EXPRESSIONS_MAX });

/** Compiles a rule's expression, or says what is wrong with it and where. It must be a yes-or-no question. */
export function compileExpression(text: string): Compiled {
  const known = compiledTexts.get(text);
  if (known !== undefined) return known;
  const compiled = compile(text);
  compiledTexts.set(text, compiled);
  return compiled;
}

function compile(text: string): Compiled {
  let parsed: ParseResult;
  try {
    parsed = ruleLanguage.parse(text);
  } catch (error) {
    if (error instanceof ParseError) return invalid(text, error.summary, error.range?.start);
    throw error;
  }
  const { valid, type, error } = parsed.check();
  if (!valid) return invalid(text, error?.summary ?? "the expression is not valid", error?.range?.start);
  if (type !== "bool" && type !== "dyn") return invalid(text, `must be true or false, but is of type ${type}`);
  const found = inspect(parsed.ast);
  if (found.problem !== null) return invalid(text, found.problem.message, found.problem.at);
  const evaluate = found.hasMatches ? linear(text) : parsed;
  return {
    kind: "compiled",
    expression: { evaluate: (variables) => evaluate({ ...variables }), loopDepth: found.loopDepth },
  };
}

/** The same expression with every `matches` on RE2; see ruleLanguage. */
function linear(text: string): ParseResult {
  const { ast } = ruleLanguage.parse(text);
  for (const { node } of walk(ast, 0)) {
    // A parse of its own, so nobody else sees it changed; the library offers no other way to rename a call.
    if (isMatches(node)) (node.args as unknown[])[0] = LINEAR_MATCH;
  }
  return ruleLanguage.parse(serialize(ast));
}

interface Inspection {
  readonly loopDepth: number;
  readonly hasMatches: boolean;
  readonly problem: { readonly message: string; readonly at: number } | null;
}

function inspect(ast: ASTNode): Inspection {
  let loopDepth = 0;
  let hasMatches = false;
  for (const { node, loops } of walk(ast, 0)) {
    loopDepth = Math.max(loopDepth, loops);
    if (loops > LOOP_DEPTH_MAX) {
      const message = `loops stand more than ${LOOP_DEPTH_MAX} deep in each other`;
      return { loopDepth, hasMatches, problem: { message, at: node.start } };
    }
    if (!isMatches(node)) continue;
    hasMatches = true;
    const pattern = literalPattern(node);
    if (pattern !== null && pattern.problem !== null) {
      return { loopDepth, hasMatches, problem: { message: pattern.problem, at: pattern.at } };
    }
  }
  return { loopDepth, hasMatches, problem: null };
}

/** Every node with the number of loops around it; a loop's own body counts the loop. */
function* walk(node: ASTNode, loops: number): Generator<{ node: ASTNode; loops: number }> {
  yield { node, loops };
  if (node.op === "rcall") {
    const [name, receiver, args] = node.args;
    yield* walk(receiver, loops);
    const within = loops + (LOOPS.has(name) ? 1 : 0);
    for (const arg of args) yield* walk(arg, within);
    return;
  }
  for (const child of nodesIn(node.args)) yield* walk(child, loops);
}

function nodesIn(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(nodesIn);
  return typeof args === "object" && args !== null && "op" in args && "args" in args ? [args as ASTNode] : [];
}

function isMatches(node: ASTNode): boolean {
  return node.op === "rcall" && node.args[0] === "matches";
}

/** A pattern that stands in the rule itself is checked when the rule is saved; others when they are used. */
function literalPattern(node: ASTNode): { problem: string | null; at: number } | null {
  const pattern = node.op === "rcall" ? node.args[2][0] : undefined;
  if (pattern?.op !== "value" || typeof pattern.args !== "string") return null;
  try {
    compilePattern(pattern.args);
    return { problem: null, at: pattern.start };
  } catch (error) {
    if (error instanceof RuleValueError) return { problem: error.message, at: pattern.start };
    throw error;
  }
}

function invalid(text: string, message: string, at?: number): Compiled {
  if (at === undefined) return { kind: "invalid", message, place: null };
  const before = text.slice(0, at).split("\n");
  return { kind: "invalid", message, place: { line: before.length, column: (before.at(-1) ?? "").length + 1 } };
}
