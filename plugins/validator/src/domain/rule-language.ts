import { Environment } from "@marcbachmann/cel-js";
import { LRUCache } from "lru-cache";
import { RE2JS } from "re2js";

/** Longest pattern of `matches`, in characters. */
const PATTERN_LENGTH_MAX = 500;
/** Compiled patterns kept: a rule seldom has more than one, and 1,000 of them take a few megabytes. */
const PATTERNS_MAX = 1_000;
/** A decimal number as people and forms write it; no hexadecimal, no thousands separators, no Infinity. */
const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/;

const patterns = new LRUCache<string, RE2JS>({ max: PATTERNS_MAX });

/** What `text.matches(pattern)` is carried out by; see {@link ruleLanguage}. */
export const LINEAR_MATCH = "matches_linear";

/**
 * CEL as rules use it. Variables: `answers`, `event`, `data`. Three things are added to the language:
 *
 *  - Numbers of a JSON document are doubles and literals such as `12` are ints, and CEL has no arithmetic between the two,
 *    so `answers.savings * 12` would fail on every response. Ints are widened to doubles here; nothing else is.
 *  - `number(x)`: a number as it is, or the number that a text such as " 1200.50 " spells; an error for all else. Text is
 *    never read as a number unless a rule says so.
 *  - Patterns run on RE2, in time linear in the text: with JavaScript's own engine one team's `^(a+)+$` could stop the
 *    plugin for all teams. The library does not let `matches` be replaced, so rules are compiled with its stand-in.
 */
export const ruleLanguage = new Environment({ homogeneousAggregateLiterals: false })
  .registerVariable("answers", "map")
  .registerVariable("event", "map")
  .registerVariable("data", "map")
  .registerFunction("number(dyn): double", numberOf)
  .registerFunction(`string.${LINEAR_MATCH}(string): bool`, matchesLinear)
  .registerOperator("double + int: double", (a: number, b: bigint) => a + Number(b))
  .registerOperator("int + double: double", (a: bigint, b: number) => Number(a) + b)
  .registerOperator("double - int: double", (a: number, b: bigint) => a - Number(b))
  .registerOperator("int - double: double", (a: bigint, b: number) => Number(a) - b)
  .registerOperator("double * int: double", (a: number, b: bigint) => a * Number(b))
  .registerOperator("int * double: double", (a: bigint, b: number) => Number(a) * b)
  .registerOperator("double / int: double", (a: number, b: bigint) => a / Number(b))
  .registerOperator("int / double: double", (a: bigint, b: number) => Number(a) / b)
  .registerOperator("double % int: double", (a: number, b: bigint) => a % Number(b))
  .registerOperator("int % double: double", (a: bigint, b: number) => Number(a) % b)
  .registerOperator("double % double: double", (a: number, b: number) => a % b);

/** A value that `number()` does not take, or a pattern that RE2 does not: its message is shown to the team. */
export class RuleValueError extends Error {
  override readonly name = "RuleValueError";
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "string" && DECIMAL.test(value.trim())) return Number(value.trim());
  throw new RuleValueError(`number() takes a number or text that spells one, not ${kindOf(value)}`);
}

function matchesLinear(text: string, pattern: string): boolean {
  return compilePattern(pattern).matcher(text).find();
}

/**
 * @throws RuleValueError when RE2 does not take the pattern.
 */
export function compilePattern(pattern: string): RE2JS {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new RuleValueError(`the pattern is longer than ${PATTERN_LENGTH_MAX} characters`);
  }
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    throw new RuleValueError(`the pattern is not one of RE2: ${(error as Error).message}`);
  }
  patterns.set(pattern, compiled);
  return compiled;
}

/** The answer's kind only: its text may be personal and ends up in logs and outputs. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === "") return "an empty text";
  if (typeof value === "string") return "this text";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
