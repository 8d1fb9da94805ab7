import { type ASTNode, Environment, EvaluationError, ParseError, TypeError as TypeProblem } from "@marcbachmann/cel-js";
import { type EventAttributes, FILTER_LENGTH_MAX } from "@plugboard/contract";

/**
 * A team's filter: a CEL expression over `event` (id, source, type, team, form, response, revision, time), `data` (the
 * payload) and `answers` (`data.answers`, or `{}`). One team's filter is evaluated on the thread that routes for every
 * team, so its cost is bounded four times over: in length, in syntax nodes, by refusing what can run away (regular
 * expressions backtrack here; one loop inside another is quadratic), and by refusing to loop over an event whose lists
 * are too long.
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

/** Syntax nodes in one expression: a term like `answers.age >= 18` has four. */
const NODES_MAX = 500;
/** Nesting of one expression; the evaluator recurses. */
const DEPTH_MAX = 40;
/**
 * Longest list or object in an event that a filter with a loop accepts. The body may search a list itself (`x in …`),
 * so the worst case is this squared: 4 million steps.
 */
const LOOPED_ITEMS_MAX = 2_000;

const LOOPS = new Set(["all", "exists", "exists_one", "map", "filter"]);
const REFUSED: Readonly<Record<string, string>> = {
  matches: "use startsWith, endsWith, contains or ==: regular expressions can take forever",
  bind: "write the value out: it can grow an expression without limit",
  split: "compare the text with contains or ==: a long text makes a list without limit",
  join: "compare the list's items: a long list makes a text without limit",
  json: "the payload is already parsed, in data",
};

const MATCH: FilterResult = { kind: "match" };
const NO_MATCH: FilterResult = { kind: "no-match" };

/** Compiles a filter, or says what is wrong with it and where. */
export function compileFilter(expression: string): CompileResult {
  if (expression.length > FILTER_LENGTH_MAX) {
    const message = `the expression has ${expression.length} characters; at most ${FILTER_LENGTH_MAX} are accepted`;
    return { ok: false, problem: { message, line: 1, column: FILTER_LENGTH_MAX + 1 } };
  }
  try {
    const run = ENVIRONMENT.parse(expression);
    const syntax = inspect(run.ast);
    if (syntax.problem !== null) return refused(expression, syntax.problem.message, syntax.problem.at);
    const { valid, type, error } = run.check();
    if (!valid) return refused(expression, error?.summary ?? "not valid", error?.range?.start ?? 0);
    if (type !== "bool" && type !== "dyn")
      return refused(expression, `it is a ${type}; a filter must be true or false`);
    return { ok: true, filter: { matches: (input) => evaluate(run, syntax.loops, input) } };
  } catch (error) {
    if (error instanceof ParseError || error instanceof TypeProblem)
      return refused(expression, error.summary, error.range?.start ?? 0);
    return refused(expression, (error as Error).message);
  }
}

function evaluate(
  run: (context: Record<string, unknown>) => unknown,
  loops: boolean,
  input: FilterInput,
): FilterResult {
  const { event, data } = input;
  if (loops && !itemsWithin(data, LOOPED_ITEMS_MAX))
    return failed(`the filter loops, and the event has a list or object of more than ${LOOPED_ITEMS_MAX} items`);
  const answers = (data as { answers?: unknown }).answers;
  try {
    const result = run({
      event: {
        id: event.id,
        source: event.source,
        type: event.type,
        team: event.teamId,
        form: event.formId,
        response: event.responseId,
        revision: event.revision,
        time: event.time,
      },
      data,
      answers: isObject(answers) ? answers : {},
    });
    if (result === true) return MATCH;
    if (result === false) return NO_MATCH;
    return failed(`the filter gave ${result === null ? "null" : `a ${typeof result}`}, neither true nor false`);
  } catch (error) {
    return failed(error instanceof EvaluationError || error instanceof TypeProblem ? error.summary : String(error));
  }
}

const failed = (message: string): FilterResult => ({ kind: "error", message });

function refused(expression: string, message: string, at = 0): CompileResult {
  const before = expression.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { ok: false, problem: { message, line: before.split("\n").length, column: at - lineStart + 1 } };
}

/** JSON knows one kind of number, which is CEL's double, and literals like 18 are CEL's int: arithmetic may mix them. */
function createEnvironment(): Environment {
  const environment = new Environment({
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: NODES_MAX, maxDepth: DEPTH_MAX, maxListElements: 200, maxMapEntries: 200 },
  })
    .registerVariable({
      name: "event",
      schema: {
        id: "string",
        source: "string",
        type: "string",
        team: "string",
        form: "dyn",
        response: "dyn",
        revision: "dyn",
        time: "dyn",
      },
    })
    .registerVariable("data", "map")
    .registerVariable("answers", "map");
  const mixed = [
    ["int", "double"],
    ["double", "int"],
  ] as const;
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    for (const [left, right] of mixed) environment.registerOperator(`${left} ${operator} ${right}`, apply);
  }
  environment.registerOperator("double % double", ARITHMETIC["%"]);
  return environment;
}

const ARITHMETIC = {
  "+": (left: number | bigint, right: number | bigint) => Number(left) + Number(right),
  "-": (left: number | bigint, right: number | bigint) => Number(left) - Number(right),
  "*": (left: number | bigint, right: number | bigint) => Number(left) * Number(right),
  "/": (left: number | bigint, right: number | bigint) => Number(left) / Number(right),
  "%": (left: number | bigint, right: number | bigint) => Number(left) % Number(right),
} as const;

const ENVIRONMENT = createEnvironment();

interface Syntax {
  /** Whether it goes over a list or object. */
  readonly loops: boolean;
  readonly problem: { readonly message: string; readonly at: number } | null;
}

/** Walks the syntax tree, without recursion: for what a filter may not contain, and whether it loops. */
function inspect(root: ASTNode): Syntax {
  let loops = false;
  const open: Array<{ node: ASTNode; inLoop: boolean; depth: number }> = [{ node: root, inLoop: false, depth: 1 }];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const { node, inLoop, depth } = item;
    const called = node.op === "rcall" || node.op === "call" ? node.args[0] : null;
    const refusal = called !== null && Object.hasOwn(REFUSED, called) ? REFUSED[called] : undefined;
    if (refusal !== undefined)
      return { loops, problem: { message: `${called}() is not available in filters: ${refusal}`, at: node.start } };
    const isLoop = node.op === "rcall" && LOOPS.has(node.args[0]);
    if (isLoop && inLoop)
      return { loops, problem: { message: `${called}() inside another loop is not available`, at: node.start } };
    if (depth > DEPTH_MAX)
      return { loops, problem: { message: `it is nested more than ${DEPTH_MAX} deep`, at: node.start } };
    loops ||= isLoop;
    for (const child of nodesIn(node.args)) open.push({ node: child, inLoop: inLoop || isLoop, depth: depth + 1 });
  }
  return { loops, problem: null };
}

function nodesIn(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(nodesIn);
  return isObject(args) && typeof args.op === "string" ? [args as unknown as ASTNode] : [];
}

/** True when no list or object inside `value` has more than `max` items. */
function itemsWithin(value: unknown, max: number): boolean {
  const open: unknown[] = [value];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const inner: unknown[] = Array.isArray(item) ? item : isObject(item) ? Object.values(item) : [];
    if (inner.length > max) return false;
    for (const one of inner) if (typeof one === "object" && one !== null) open.push(one);
  }
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
