import type { ASTNode } from "@marcbachmann/cel-js";
import { METER } from "./dialect.ts";
import { childrenOf, isLoop } from "./inspect-syntax.ts";

/** Steps for one more round of a loop, beside its body's nodes: a round that fails costs about this much. */
const ROUND_STEPS = 20;
/** Steps for a date's field in a time zone: the engine formats and parses the date. */
const TIME_ZONE_STEPS = 1_000;
/** Steps per 16 characters or item for `size`, which counts characters one by one. */
const SIZE_STEPS = 4;
/** Longest text that is converted: numbers, dates and durations are short, and a duration takes the square of it. */
const CONVERTED_LENGTH_MAX = 64;
/** Longest text that is searched for in another, unless it is written out. */
const SEARCHED_LENGTH_MAX = 256;

/** What makes a number, a date or a duration. */
const ARITHMETIC: ReadonlySet<string> = new Set(["-", "*", "/", "%"]);
const OPERATORS: ReadonlySet<string> = new Set([...ARITHMETIC, "+", "==", "!=", "<", "<=", ">", ">="]);
const BINARY: ReadonlySet<string> = new Set([...OPERATORS, "in", "&&", "||"]);
const CONVERSIONS: ReadonlySet<string> = new Set(["duration", "timestamp", "int", "uint", "double", "bool"]);
const FREE: ReadonlySet<string> = new Set(["number", "dyn", "type"]);
const SEARCHES: ReadonlySet<string> = new Set(["contains", "indexOf", "lastIndexOf"]);

/** An expression as it is evaluated. */
export interface MeteredText {
  readonly text: string;
  /** Literals that are looked up rather than written, so that none is changed by being written again. */
  readonly literals: readonly unknown[];
}

/**
 * Writes a checked expression again, with a call of the meter around each value that an operation goes over: what a loop
 * runs through, what two sides of an operator hold, what a sum makes, what a text function reads. The library has no
 * limit on what an evaluation costs and does not let its own functions be replaced; so
 * `answers.l.exists(x, x == answers.y)` becomes, in short, `metered(answers.l, 25).exists(x, deep(x) == deep(answers.y))`.
 * An expression of comparisons with literals stays as it is.
 *
 * @param patternOf the number of a `matches` node's pattern.
 */
export function meteredText(root: ASTNode, patternOf: (node: ASTNode) => number): MeteredText {
  const literals: unknown[] = [];

  const write = (node: ASTNode): string => {
    const { op } = node;
    if (BINARY.has(op)) return binary(node as BinaryNode);
    switch (op) {
      case "value":
        return literal(node.args, literals);
      case "id":
        return node.args;
      case ".":
        return `${write(node.args[0])}.${node.args[1]}`;
      case "[]":
        return `${write(node.args[0])}[${write(node.args[1])}]`;
      case "!_":
        return `(!${write(node.args)})`;
      case "-_":
        return `(-(${write(node.args)}))`;
      case "?:":
        return `(${write(node.args[0])} ? ${write(node.args[1])} : ${write(node.args[2])})`;
      case "list":
        return `[${node.args.map(write).join(", ")}]`;
      case "map":
        return `{${node.args.map(([key, value]) => `${write(key)}: ${write(value)}`).join(", ")}}`;
      case "call":
        return call(node.args[0], node.args[1]);
      case "rcall":
        return methodCall(node);
      default:
        throw new Error(`"${op}" is not available`);
    }
  };

  const items = (node: ASTNode, weight: number) =>
    isSmall(node) ? write(node) : `${METER.items}(${write(node)}, ${weight})`;
  const deep = (node: ASTNode) => (isSmall(node) ? write(node) : `${METER.deep}(${write(node)})`);
  const short = (node: ASTNode, max: number) =>
    isSmall(node) ? write(node) : `${METER.short}(${write(node)}, ${max})`;

  const binary = ({ op, args: [left, right] }: BinaryNode): string => {
    if (op === "in") return `(${deep(left)} in ${isSmall(left) ? items(right, 1) : deep(right)})`;
    const bothLarge = OPERATORS.has(op) && !isSmall(left) && !isSmall(right);
    const text = bothLarge ? `(${deep(left)} ${op} ${deep(right)})` : `(${write(left)} ${op} ${write(right)})`;
    return op !== "+" || isNumber(left) || isNumber(right) ? text : `${METER.items}(${text}, 1)`;
  };

  const call = (name: string, args: readonly ASTNode[]): string => {
    const written = args.map((arg) => {
      if (name === "has" || FREE.has(name)) return write(arg);
      if (CONVERSIONS.has(name)) return short(arg, CONVERTED_LENGTH_MAX);
      return items(arg, name === "size" ? SIZE_STEPS : 1);
    });
    return `${name}(${written.join(", ")})`;
  };

  const methodCall = (node: Extract<ASTNode, { readonly op: "rcall" }>): string => {
    const [name, receiver, args] = node.args;
    if (isLoop(node)) {
      const steps = ROUND_STEPS + args.reduce((sum, arg) => sum + nodeCount(arg), 0);
      return `${METER.items}(${write(receiver)}, ${steps}).${name}(${args.map(write).join(", ")})`;
    }
    if (name === "matches") return `${receiverOf(write(receiver))}.${METER.matches}(${patternOf(node)})`;
    const [first, ...others] = args;
    if (SEARCHES.has(name) && first !== undefined) {
      const length = first.op === "value" ? String(first.args).length : SEARCHED_LENGTH_MAX;
      const searched = [short(first, SEARCHED_LENGTH_MAX), ...others.map(write)].join(", ");
      return `${receiverOf(items(receiver, 1 + Math.ceil(length / 16)))}.${name}(${searched})`;
    }
    const zoned = name.startsWith("get") && args.length > 0;
    const weight = zoned ? TIME_ZONE_STEPS : name === "size" ? SIZE_STEPS : 1;
    const from = zoned ? `${METER.items}(${write(receiver)}, ${weight})` : items(receiver, weight);
    return `${receiverOf(from)}.${name}(${args.map((arg) => items(arg, 1)).join(", ")})`;
  };

  return { text: write(root), literals };
}

type BinaryNode = ASTNode & { readonly args: readonly [ASTNode, ASTNode] };

/** `1.size()` would read as a number. */
const receiverOf = (text: string) => (/^\d/.test(text) ? `(${text})` : text);

/** Whether a value's size is bounded by the expression's own text, by the event's schema, or by what makes it. */
function isSmall(node: ASTNode): boolean {
  if (node.op === "value" || ARITHMETIC.has(node.op)) return true;
  if (node.op === "list") return node.args.every(isSmall);
  return node.op === "." && node.args[0].op === "id" && node.args[0].args === "event";
}

function isNumber(node: ASTNode): boolean {
  return node.op === "value" && (typeof node.args === "number" || typeof node.args === "bigint");
}

/** Recursion is bounded by the depth that `inspectSyntax` lets pass. */
function nodeCount(node: ASTNode): number {
  return childrenOf(node).reduce((sum, child) => sum + nodeCount(child), 1);
}

/** Written out where that cannot change it, and looked up otherwise. */
function literal(value: unknown, literals: unknown[]): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return value < 0n ? `(${value})` : String(value);
  if (typeof value === "string" && /^[\x20-\x7e]*$/.test(value)) return JSON.stringify(value);
  if (typeof value === "number" && /^\d+(\.\d+)?$/.test(String(value)))
    return Number.isInteger(value) ? `${value}.0` : String(value);
  literals.push(value);
  return `${METER.literals}[${literals.length - 1}]`;
}
