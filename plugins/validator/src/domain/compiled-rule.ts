import { type CompiledExpression, compileExpression } from "@plugboard/rules";
import { LRUCache } from "lru-cache";

/** Expressions kept compiled: 50 teams with all 100 rules, or 1,000 teams with a few. */
const EXPRESSIONS_MAX = 5_000;
/** Their characters: a syntax tree takes up to 250 bytes for each, so 100 MB at worst. */
const CHARACTERS_MAX = 400_000;

/**
 * Keyed by the expression's own text, not by team and settings version: a text always means the same, so nothing can be
 * stale, and teams that copied a rule from each other share it.
 */
const compiledTexts = new LRUCache<string, CompiledExpression>({
  max: EXPRESSIONS_MAX,
  maxSize: CHARACTERS_MAX,
  sizeCalculation: (_compiled, text) => 1 + text.length,
});

/** A rule's expression, compiled once, or what is wrong with it and where. */
export function compiledRule(text: string): CompiledExpression {
  const known = compiledTexts.get(text);
  if (known !== undefined) return known;
  const compiled = compileExpression(text);
  compiledTexts.set(text, compiled);
  return compiled;
}
