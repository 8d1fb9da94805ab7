import { createHash } from "node:crypto";
import type { ProblemItem } from "@plugboard/contract";
import { linearPattern } from "@plugboard/rules";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { FormatsPlugin } from "ajv-formats";
import ajvFormats from "ajv-formats";
import type { JsonObject } from "./records.ts";
import { canonicalJson, escapePointer, PROBLEMS_MAX } from "./storable-json.ts";

/** A schema that has been compiled. */
export interface CompiledSchema {
  /** Every problem of a value, with its JSON pointer; empty when it fits. */
  problems(value: unknown): ProblemItem[];
}

/** Characters of a pattern that are shown when it is refused. */
const PATTERN_SHOWN_MAX = 100;
/** Schemas kept compiled; one compilation takes some milliseconds, one entry some tens of kilobytes. */
const COMPILED_MAX = 500;
const compiled = new Map<string, CompiledSchema>();

const DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema";
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;
const addFormats = ajvFormats as unknown as FormatsPlugin;

/**
 * Compiles a JSON Schema (draft 2020-12, or 07 when it says so), or takes it from the cache.
 * @throws Error that says why it does not compile.
 */
export function compileSchema(schema: JsonObject): CompiledSchema {
  const key = createHash("sha256").update(JSON.stringify(schema)).digest("base64");
  const known = compiled.get(key);
  if (known !== undefined) {
    compiled.delete(key);
    compiled.set(key, known);
    return known;
  }
  const validate = compile(schema);
  // Such a schema answers a promise, which would read as "fits".
  if ("$async" in validate) throw new Error('"$async" is not supported');
  const result: CompiledSchema = {
    problems: (value) => (validate(value) ? [] : problemsOf(validate.errors ?? [])),
  };
  compiled.set(key, result);
  const oldest = compiled.keys().next().value;
  if (compiled.size > COMPILED_MAX && oldest !== undefined) compiled.delete(oldest);
  return result;
}

/**
 * Patterns of a plugin's schema meet what teams send: RE2 takes time linear in that, where JavaScript's engine could take
 * forever and hold the manager with it. ajv tells one pattern from another by its text, and would write `code` into what
 * it prints for standalone use, which nothing here asks for.
 */
const regExp = Object.assign(
  (pattern: string) => {
    try {
      const { test } = linearPattern(pattern, "javascript");
      return { test, toString: () => pattern };
    } catch (error) {
      throw new Error(
        `the pattern ${JSON.stringify(pattern.slice(0, PATTERN_SHOWN_MAX))}: ${(error as Error).message}`,
      );
    }
  },
  { code: "linearPattern" },
);

/** ajv compares every item with every other: a list that a body holds easily would hold the manager for many seconds. */
function linearUniqueItems<T extends Ajv | Ajv2020>(ajv: T): T {
  ajv.removeKeyword("uniqueItems").addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (wanted: boolean, items: readonly unknown[]) =>
      !wanted || new Set(items.map(canonicalJson)).size === items.length,
    error: { message: "must NOT have duplicate items" },
  });
  return ajv;
}

/** An instance of its own per schema: instances remember every `$id` they have seen. */
function compile(schema: JsonObject): ValidateFunction {
  const options = {
    strict: false,
    strictNumbers: true,
    allErrors: true,
    logger: false,
    // Else a field named "constructor" would be there in every object.
    ownProperties: true,
    code: { regExp },
  } as const;
  const { $schema: draft, ...rest } = schema;
  if (draft === undefined || draft === DRAFT_2020 || draft === `${DRAFT_2020}#`)
    return addFormats(linearUniqueItems(new Ajv2020(options))).compile(rest);
  if (typeof draft === "string" && DRAFT_07.test(draft))
    return addFormats(linearUniqueItems(new Ajv(options))).compile(rest);
  throw new Error(`"$schema" must be ${DRAFT_2020} or draft-07`);
}

/** ajv's own wording, with what it leaves out: which property, which values. Wrapper errors that only repeat are left out. */
function problemsOf(errors: readonly ErrorObject[]): ProblemItem[] {
  const problems = errors.filter(({ keyword }) => keyword !== "if").map(problemOf);
  const unique = new Map(problems.map((problem) => [`${problem.path}\n${problem.message}`, problem]));
  return [...unique.values()].slice(0, PROBLEMS_MAX);
}

function problemOf({ keyword, instancePath, params, message }: ErrorObject): ProblemItem {
  const at = (property: unknown) => `${instancePath}/${escapePointer(String(property))}`;
  switch (keyword) {
    case "required":
      return { path: at(params.missingProperty), message: "is required" };
    case "additionalProperties":
      return { path: at(params.additionalProperty), message: "is not a known property" };
    case "unevaluatedProperties":
      return { path: at(params.unevaluatedProperty), message: "is not a known property" };
    case "enum":
      return { path: instancePath, message: `must be one of ${JSON.stringify(params.allowedValues)}` };
    case "const":
      return { path: instancePath, message: `must be ${JSON.stringify(params.allowedValue)}` };
    default:
      return { path: instancePath, message: message ?? "is not valid" };
  }
}
