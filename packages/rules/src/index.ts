export * from "./compile-expression.ts";
export * from "./explain-evaluation.ts";
export { type LinearPattern, linearPattern } from "./linear-pattern.ts";
export { type Variables, variablesOf } from "./variables.ts";
