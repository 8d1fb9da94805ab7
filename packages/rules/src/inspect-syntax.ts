import type { ASTNode } from "@marcbachmann/cel-js";
import { SYNTAX_DEPTH_MAX } from "./dialect.ts";
import { type LinearPattern, linearPattern } from "./linear-pattern.ts";

/** Loops in loops: two keep an expression at the square of what it goes over; three are hardly ever meant. */
const LOOPS_MAX = 2;
/** Uses of `matches` in one expression; each may remember 128 KiB. */
const PATTERNS_MAX = 5;

const LOOPS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["bind", "write the value out: it can grow an expression without limit"],
  ["split", "compare the text with contains or matches: a long text makes a list without limit"],
  ["join", "compare the list's items: a long list makes a text without limit"],
  ["json", "the payload is already parsed, in data"],
]);

export type Inspection =
  | { readonly ok: true; readonly patterns: ReadonlyMap<ASTNode, LinearPattern> }
  /** `at` is the offset in the expression's text. */
  | { readonly ok: false; readonly message: string; readonly at: number };

/** Walks the syntax tree, without recursion, for what is not available; compiles the patterns of `matches`. */
export function inspectSyntax(root: ASTNode): Inspection {
  const patterns = new Map<ASTNode, LinearPattern>();
  const open = [{ node: root, loops: 0, depth: 1 }];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const { node, loops, depth } = item;
    const problem = problemAt(node, loops, depth) ?? addPattern(node, patterns);
    if (problem !== null) return { ok: false, ...problem };
    const body = isLoop(node) ? node.args[2] : [];
    for (const child of childrenOf(node)) {
      open.push({ node: child, loops: body.includes(child) ? loops + 1 : loops, depth: depth + 1 });
    }
  }
  return { ok: true, patterns };
}

type MethodCall = Extract<ASTNode, { readonly op: "rcall" }>;

/** Whether a node goes over a list or map. */
export function isLoop(node: ASTNode): node is MethodCall {
  return node.op === "rcall" && LOOPS.has(node.args[0]);
}

/** The nodes directly below one. */
export function childrenOf(node: ASTNode): ASTNode[] {
  return nodesIn(node.args);
}

function nodesIn(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(nodesIn);
  return typeof args === "object" && args !== null && "op" in args && "args" in args ? [args as ASTNode] : [];
}

interface Problem {
  readonly message: string;
  readonly at: number;
}

function problemAt(node: ASTNode, loops: number, depth: number): Problem | null {
  const at = node.start;
  if (depth > SYNTAX_DEPTH_MAX) return { message: `it is nested more than ${SYNTAX_DEPTH_MAX} deep`, at };
  if (node.op !== "rcall" && node.op !== "call") return null;
  const [name] = node.args;
  const refusal = REFUSED.get(name);
  if (refusal !== undefined) return { message: `${name}() is not available: ${refusal}`, at };
  if (isLoop(node) && loops >= LOOPS_MAX)
    return { message: `${name}() stands in more than ${LOOPS_MAX - 1} other loop`, at };
  return null;
}

/** A pattern must be written out: one from the data could cost a compilation per event. */
function addPattern(node: ASTNode, patterns: Map<ASTNode, LinearPattern>): Problem | null {
  if (node.op !== "rcall" || node.args[0] !== "matches") return null;
  const pattern = node.args[2][0];
  if (pattern?.op !== "value" || typeof pattern.args !== "string")
    return { message: "the pattern of matches() must be written out, as a text", at: node.start };
  if (patterns.size >= PATTERNS_MAX)
    return { message: `matches() is used more than ${PATTERNS_MAX} times`, at: node.start };
  try {
    patterns.set(node, linearPattern(pattern.args));
    return null;
  } catch (error) {
    return { message: (error as Error).message, at: pattern.start };
  }
}
