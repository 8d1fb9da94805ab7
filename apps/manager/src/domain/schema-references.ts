import type { ProblemItem } from "@plugboard/contract";
import type { JsonObject } from "./records.ts";
import { escapePointer } from "./storable-json.ts";

/** Keywords whose schemas describe the value itself: a reference back through these alone never comes to an end. */
const SAME_VALUE = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"] as const;
/** The same, but with one schema per name. */
const SAME_VALUE_BY_NAME = ["dependentSchemas", "dependencies"] as const;
/** Keywords that hold schemas by a name of the author's own, where `$ref` and the like are only names. */
const BY_NAME = new Set(["properties", "patternProperties", "$defs", "definitions", ...SAME_VALUE_BY_NAME]);
/** Keywords that hold values, which may look like schemas. */
const VALUES = new Set(["const", "enum", "default", "examples"]);

/**
 * What is wrong with a schema's references. Only pointers into the schema itself (`#`, `#/…`) are taken: then every
 * secret can be followed through them, and nothing is ever fetched. One that leads back to itself without going deeper
 * into the value would be checked without end.
 */
export function referenceProblems(schema: JsonObject): ProblemItem[] {
  const problems: ProblemItem[] = [];
  for (const { node, path } of schemasIn(schema)) {
    for (const keyword of ["$dynamicRef", "$recursiveRef"].filter((name) => typeof node[name] === "string"))
      problems.push({ path: `${path}/${keyword}`, message: 'is not supported: use "$ref"' });
    if (path !== "" && typeof node.$id === "string")
      problems.push({ path: `${path}/$id`, message: "is not supported inside a schema" });
    if (typeof node.$ref !== "string") continue;
    if (resolvePointer(schema, node.$ref) === undefined)
      problems.push({ path: `${path}/$ref`, message: `must point into this schema, such as "#/$defs/name"` });
    else if (leadsBack(schema, node.$ref))
      problems.push({ path: `${path}/$ref`, message: "leads back to itself without end" });
  }
  return problems;
}

/** Resolves `#` and `#/…`; undefined for anything else. */
export function resolvePointer(schema: JsonObject, ref: string): unknown {
  if (ref === "#") return schema;
  if (!ref.startsWith("#/")) return undefined;
  let node: unknown = schema;
  for (const part of ref.slice(2).split("/")) {
    const key = decodePointer(part);
    if (typeof node !== "object" || node === null) return undefined;
    node = Object.hasOwn(node, key) ? (node as JsonObject)[key] : undefined;
  }
  return node;
}

/** Every schema in a schema, itself first, each with its pointer. */
function* schemasIn(node: unknown, path = ""): Generator<{ node: JsonObject; path: string }> {
  if (Array.isArray(node)) for (const [index, item] of node.entries()) yield* schemasIn(item, `${path}/${index}`);
  if (!isObject(node)) return;
  yield { node, path };
  for (const [keyword, child] of Object.entries(node)) {
    const at = `${path}/${escapePointer(keyword)}`;
    if (VALUES.has(keyword)) continue;
    if (!BY_NAME.has(keyword) || !isObject(child)) yield* schemasIn(child, at);
    else for (const [name, named] of Object.entries(child)) yield* schemasIn(named, `${at}/${escapePointer(name)}`);
  }
}

function leadsBack(schema: JsonObject, start: string): boolean {
  const seen = new Set<string>();
  const queue = sameValueRefs(resolvePointer(schema, start));
  for (let ref = queue.pop(); ref !== undefined; ref = queue.pop()) {
    if (ref === start) return true;
    if (seen.has(ref)) continue;
    seen.add(ref);
    queue.push(...sameValueRefs(resolvePointer(schema, ref)));
  }
  return false;
}

/** References of a schema that apply to the very value the schema applies to. */
function sameValueRefs(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(sameValueRefs);
  if (!isObject(node)) return [];
  const named = SAME_VALUE_BY_NAME.flatMap((keyword) => {
    const child = node[keyword];
    return isObject(child) ? Object.values(child) : [];
  });
  const children = [...SAME_VALUE.map((keyword) => node[keyword]), ...named];
  return [...(typeof node.$ref === "string" ? [node.$ref] : []), ...children.flatMap(sameValueRefs)];
}

function decodePointer(part: string): string {
  try {
    return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return part;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
