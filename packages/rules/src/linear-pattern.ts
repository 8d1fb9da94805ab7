import { RE2JS } from "re2js";

/** Longest pattern, in characters. */
const LENGTH_MAX = 500;
/** Instructions of the compiled pattern: `[0-9]{15}` has about 20, and `(…){1000}` at least a thousand. */
const PROGRAM_SIZE_MAX = 1_000;
/** Bytes a pattern may remember of the texts it has seen; RE2 goes on without when they are used up. */
const MEMORY_MAX = 128 * 1024;

/** A regular expression that takes time linear in the text, whoever wrote it. */
export interface LinearPattern {
  /** Whether the pattern is found anywhere in the text. */
  test(text: string): boolean;
  /** Instructions: what one character of text costs at most. */
  readonly size: number;
}

/**
 * Compiles a pattern with RE2, in its own syntax or, as JSON Schema has it, in JavaScript's. Unlike JavaScript's engine it has no look-around and no back-references, and never
 * backtracks: with that one, `^(a+)+$` on thirty letters holds the process for minutes.
 * @throws Error that says why it does not compile.
 */
export function linearPattern(pattern: string, syntax: "re2" | "javascript" = "re2"): LinearPattern {
  if (pattern.length > LENGTH_MAX) throw new Error(`the pattern is longer than ${LENGTH_MAX} characters`);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(syntax === "re2" ? pattern : RE2JS.translateRegExp(pattern));
  } catch (error) {
    throw new Error(`the pattern is not one of RE2: ${(error as Error).message}`);
  }
  const size = compiled.programSize();
  if (size > PROGRAM_SIZE_MAX) throw new Error("the pattern repeats too much; use smaller numbers in {}");
  const { dfa } = compiled.re2();
  dfa.stateBudget = MEMORY_MAX;
  dfa.memBudget = MEMORY_MAX;
  return { size, test: (text) => compiled.test(text) };
}
