import type { ProblemItem } from "@plugboard/contract";
import type { JsonObject } from "./records.ts";
import { resolvePointer } from "./schema-references.ts";
import { escapePointer } from "./storable-json.ts";

/** Where secrets stand in settings: property names, or `ANY_KEY` for array items and free property names. */
export type SecretPlace = readonly (string | typeof ANY_KEY)[];
export const ANY_KEY = Symbol("any key");

/** Places per schema. */
const PLACES_MAX = 200;
/** Steps of the walk: definitions that refer to each other twice double it at each level. */
const STEPS_MAX = 20_000;
const DEPTH_MAX = 32;

/** Keywords whose schemas describe the value itself. */
const SAME_VALUE = ["allOf", "anyOf", "oneOf", "if", "then", "else"];
/** The same, but with one schema per name. */
const SAME_VALUE_BY_NAME = ["dependentSchemas", "dependencies"];
/** Keywords whose schemas describe a value below it, under names the schema does not tell. */
const ANY_CHILD = [
  "patternProperties",
  "additionalProperties",
  "unevaluatedProperties",
  "items",
  "prefixItems",
  "contains",
  "additionalItems",
  "unevaluatedItems",
];

export interface SecretPlaces {
  readonly places: readonly SecretPlace[];
  /** Secrets that could not be found again in a value: such a schema is refused, lest one be kept in clear. */
  readonly problems: readonly ProblemItem[];
}

/** Finds every property that a settings schema marks `"writeOnly": true`. */
export function secretPlaces(schema: JsonObject): SecretPlaces {
  const places = new Map<string, SecretPlace>();
  const problems: ProblemItem[] = [];
  const reached = new Set<object>();
  let steps = 0;

  const visit = (node: unknown, place: SecretPlace, refs: readonly string[]): void => {
    if (Array.isArray(node)) {
      for (const item of node) visit(item, place, refs);
      return;
    }
    if (!isObject(node)) return;
    steps += 1;
    if (places.size > PLACES_MAX || steps > STEPS_MAX) return;
    if (node.writeOnly === true) {
      reached.add(node);
      if (place.length === 0)
        problems.push({ path: "/writeOnly", message: "the settings as a whole cannot be a secret" });
      else places.set(JSON.stringify(place.map(String)), place);
    }
    if (place.length >= DEPTH_MAX) return;
    for (const keyword of SAME_VALUE) visit(node[keyword], place, refs);
    for (const keyword of SAME_VALUE_BY_NAME) visit(valuesOf(node[keyword]), place, refs);
    for (const [name, child] of Object.entries(isObject(node.properties) ? node.properties : {}))
      visit(child, [...place, name], refs);
    for (const keyword of ANY_CHILD) {
      const child = node[keyword];
      visit(keyword === "patternProperties" ? valuesOf(child) : child, [...place, ANY_KEY], refs);
    }
    follow(node.$ref, place, refs);
  };

  /** Only references inside the schema; one that leads back to itself ends here, its secrets are told as problems. */
  const follow = (ref: unknown, place: SecretPlace, refs: readonly string[]): void => {
    if (typeof ref !== "string" || refs.includes(ref)) return;
    const target = resolvePointer(schema, ref);
    if (target !== undefined) visit(target, place, [...refs, ref]);
  };

  visit(schema, [], []);
  if (steps > STEPS_MAX) problems.push({ path: "", message: "its definitions refer to each other too often" });
  if (places.size > PLACES_MAX) problems.push({ path: "", message: `has more than ${PLACES_MAX} secrets` });
  for (const path of unreached(schema, reached))
    problems.push({ path, message: "this secret cannot be found in settings: put it under properties" });
  for (const path of recursiveSecrets(schema))
    problems.push({ path, message: "a secret cannot be in a schema that refers to itself" });
  return { places: [...places.values()], problems };
}

/** Pointers of every `"writeOnly": true` that the walk did not come to. */
function unreached(node: unknown, reached: ReadonlySet<object>, path = ""): string[] {
  if (!isObject(node) && !Array.isArray(node)) return [];
  const own = isObject(node) && node.writeOnly === true && !reached.has(node) ? [path] : [];
  return [
    ...own,
    ...Object.entries(node).flatMap(([key, child]) => unreached(child, reached, `${path}/${escapePointer(key)}`)),
  ];
}

/** Pointers of definitions that refer to themselves and hold a secret: no list of places could be complete. */
function recursiveSecrets(schema: JsonObject): string[] {
  const refsOf = (node: unknown): string[] => {
    if (Array.isArray(node)) return node.flatMap(refsOf);
    if (!isObject(node)) return [];
    return [...(typeof node.$ref === "string" ? [node.$ref] : []), ...Object.values(node).flatMap(refsOf)];
  };
  const reach = new Map<string, boolean>();
  const cyclic: string[] = [];
  for (const ref of new Set(refsOf(schema))) {
    const seen = new Set<string>();
    const queue = refsOf(resolvePointer(schema, ref));
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push(...refsOf(resolvePointer(schema, next)));
    }
    reach.set(ref, seen.has(ref));
    const related = [ref, ...seen].map((name) => resolvePointer(schema, name));
    if (seen.has(ref) && related.some(hasSecret)) cyclic.push(ref.replace(/^#/, ""));
  }
  return cyclic;
}

function hasSecret(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(hasSecret);
  return isObject(node) && (node.writeOnly === true || Object.values(node).some(hasSecret));
}

function valuesOf(value: unknown): unknown[] {
  return isObject(value) ? Object.values(value) : [];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
