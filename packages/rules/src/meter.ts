import type { LinearPattern } from "./linear-pattern.ts";

/**
 * What one evaluation may cost, in steps of about 0.1 µs: 25 ms or so at worst, and it is steps rather than time so that
 * the same expression on the same event always ends the same way. A loop over 5,000 items or one in another over 70 each
 * is within it.
 */
export const STEPS_MAX = 250_000;
/** Characters that are handled in one step: the engine goes over text far faster than over items. */
const CHARACTERS_PER_STEP = 16;

/** How deep lists and maps may stand in each other on both sides of an operator. */
const OPERAND_NESTING_MAX = 4;

/** An evaluation went past its limits; the message is shown to the team. */
export class TooLargeError extends Error {
  override readonly name = "TooLargeError";
}

/** What `number()` and others do not take; the message is shown to the team. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

/** One for all: thousands may be thrown, for `||` and loops go on after an error. */
const EXHAUSTED = new TooLargeError(`it takes more than ${STEPS_MAX} steps on this event`);
const OPERAND_TOO_DEEP = new TooLargeError(`an operator's two sides are nested more than ${OPERAND_NESTING_MAX} deep`);

/** Evaluation is synchronous, so there is one at a time. */
let stepsLeft = 0;
let patterns: readonly LinearPattern[] = [];

/** Begins an evaluation. */
export function startMeter(ofExpression: readonly LinearPattern[]): void {
  stepsLeft = STEPS_MAX;
  patterns = ofExpression;
}

/** Whether the evaluation under way went past its steps, be its error swallowed by `||` or not. */
export function meterProblem(): string | null {
  return stepsLeft < 0 ? EXHAUSTED.message : null;
}

/** Charges `weight` steps for each item, or 16 characters, of a value, and gives it back. */
export function metered(value: unknown, weight: bigint): unknown {
  charge((1 + sizeOf(value)) * Number(weight));
  return value;
}

/**
 * Charges for everything inside an operand: comparing goes all the way down. The library keeps every pair of nested types
 * that ever met in an operator, so what meets may only be nested a little: 90 types and not 3,000, the square of which
 * would fill the memory.
 */
export function meteredDeep(value: unknown): unknown {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: unknown[] = [];
    for (const item of level) {
      charge(1 + (typeof item === "string" ? sizeOf(item) : 0));
      if (typeof item !== "object" || item === null) continue;
      if (depth === OPERAND_NESTING_MAX) throw OPERAND_TOO_DEEP;
      for (const inner of Array.isArray(item) ? item : Object.values(item)) next.push(inner);
    }
    level = next;
  }
  return value;
}

/** A text within `max` characters, or anything that is no text. */
export function shortText(value: unknown, max: bigint): unknown {
  if (typeof value === "string" && value.length > max)
    throw new TooLargeError(`a text has more than ${max} characters`);
  return value;
}

/** The expression's pattern of this number, on a text. */
export function matchesPattern(text: string, number: bigint): boolean {
  const pattern = patterns[Number(number)];
  if (pattern === undefined) throw new ValueError(`pattern ${number} is missing`);
  charge(text.length * (1 + pattern.size / 4));
  return pattern.test(text);
}

function charge(steps: number): void {
  stepsLeft -= steps;
  if (stepsLeft < 0) throw EXHAUSTED;
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length / CHARACTERS_PER_STEP;
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Uint8Array) return value.length / CHARACTERS_PER_STEP;
  return Object.keys(value).length;
}
