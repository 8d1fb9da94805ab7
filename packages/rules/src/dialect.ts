import { Environment } from "@marcbachmann/cel-js";
import { matchesPattern, metered, meteredDeep, shortText, ValueError } from "./meter.ts";

/** Syntax nodes in one expression: a term like `answers.age >= 18` has four. */
const NODES_MAX = 500;
/** Nesting of one expression; the evaluator recurses. */
export const SYNTAX_DEPTH_MAX = 40;
/** Items of a list or map that is written out. */
const WRITTEN_ITEMS_MAX = 200;
/** Longest text that is read as a number. */
const NUMBER_LENGTH_MAX = 64;
/** A decimal number as people and forms write it; no hexadecimal, no thousands separators, no Infinity. */
const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/;

/**
 * CEL as teams write it. Two things are added to the language:
 *
 *  - Numbers of a JSON document are doubles and literals such as `12` are ints, and CEL has no arithmetic between the two,
 *    so `answers.savings * 12` would fail on every response. Ints are widened to doubles here; nothing else is.
 *  - `number(x)`: a number as it is, or the number that a text such as " 1200.50 " spells; an error for all else. Text is
 *    never read as a number unless an expression says so.
 */
export const dialect = withArithmetic(
  new Environment({
    homogeneousAggregateLiterals: false,
    limits: {
      maxAstNodes: NODES_MAX,
      maxDepth: SYNTAX_DEPTH_MAX,
      maxListElements: WRITTEN_ITEMS_MAX,
      maxMapEntries: WRITTEN_ITEMS_MAX,
    },
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
    .registerVariable("answers", "map")
    .registerFunction("number(dyn): double", numberOf),
);

/** The names under which an expression that has been checked calls the meter; no team's expression can. */
export const METER = {
  items: "pb_metered",
  deep: "pb_metered_deep",
  short: "pb_short",
  matches: "pb_matches",
  literals: "pb_literals",
} as const;

/** What checked expressions are evaluated in, once `meteredText` has put the meter into them: several times their size. */
export const meteredDialect = dialect
  .clone({ limits: { maxAstNodes: NODES_MAX * 10, maxDepth: SYNTAX_DEPTH_MAX * 10 } })
  .registerVariable(METER.literals, "list")
  .registerFunction(`${METER.items}(dyn, int): dyn`, metered)
  .registerFunction(`${METER.deep}(dyn): dyn`, meteredDeep)
  .registerFunction(`${METER.short}(dyn, int): dyn`, shortText)
  .registerFunction(`string.${METER.matches}(int): bool`, matchesPattern);

function withArithmetic(environment: Environment): Environment {
  type Calculation = (left: number | bigint, right: number | bigint) => number;
  const operators: Readonly<Record<string, Calculation>> = {
    "+": (left, right) => Number(left) + Number(right),
    "-": (left, right) => Number(left) - Number(right),
    "*": (left, right) => Number(left) * Number(right),
    "/": (left, right) => Number(left) / Number(right),
    "%": (left, right) => Number(left) % Number(right),
  };
  for (const [operator, calculate] of Object.entries(operators)) {
    environment.registerOperator(`int ${operator} double: double`, calculate);
    environment.registerOperator(`double ${operator} int: double`, calculate);
    if (operator === "%") environment.registerOperator("double % double: double", calculate);
  }
  return environment;
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  const text = typeof value === "string" && value.length <= NUMBER_LENGTH_MAX ? value.trim() : "";
  if (DECIMAL.test(text)) return Number(text);
  throw new ValueError(`number() takes a number or text that spells one, not ${kindOf(value)}`);
}

/** The answer's kind only: its text may be personal and ends up in logs and outputs. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === "") return "an empty text";
  if (typeof value === "string") return "this text";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
