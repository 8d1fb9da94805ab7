import { SEALED_FIELD } from "@plugboard/contract";
import type { JsonObject } from "./records.ts";
import { ANY_KEY, type SecretPlace } from "./secret-places.ts";

/**
 * Settings whose secrets are sealed. Values are never changed in place: each function answers a new object.
 *
 * A secret that a PUT leaves out keeps its value, as long as the object it stands in is still there. Inside arrays there
 * is no telling which item is which, so secrets there are sent anew each time. One that a PUT says is null goes.
 */
interface SealedValue {
  readonly [SEALED_FIELD]: string;
}

/** A secret's concrete path in a value. */
type Path = readonly (string | number)[];

/** A value that stands for a secret that is kept; `schemaWithKept` accepts it where a secret may stand. */
export function keptPlaceholder(nonce: string): JsonObject {
  return { [SEALED_FIELD]: nonce };
}

/** Where the secrets stand in this value. */
function secretPaths(value: unknown, places: readonly SecretPlace[]): Path[] {
  const paths = places.flatMap((place) => expand(value, place));
  const outermost = paths.filter((path) => !paths.some((other) => other.length < path.length && isPrefix(other, path)));
  return [...new Map(outermost.map((path) => [JSON.stringify(path), path])).values()];
}

/** Replaces each secret by what `replace` makes of it. */
export async function replaceSecrets(
  value: JsonObject,
  places: readonly SecretPlace[],
  replace: (secret: unknown) => Promise<unknown>,
): Promise<JsonObject> {
  let result: unknown = value;
  for (const path of secretPaths(value, places)) result = withValue(result, path, await replace(valueAt(value, path)));
  return result as JsonObject;
}

/** Puts every sealed secret of `stored` that `given` leaves out where it was, if its parent object is still there. */
export function keepSecrets(
  given: JsonObject,
  stored: JsonObject | null,
  places: readonly SecretPlace[],
  keep: (sealed: SealedValue) => unknown = (sealed) => sealed,
): JsonObject {
  if (stored === null) return given;
  let result: unknown = given;
  for (const path of secretPaths(stored, places)) {
    const sealed = valueAt(stored, path);
    const parent = valueAt(given, path.slice(0, -1));
    const name = path.at(-1);
    if (!isSealed(sealed) || path.some((part) => typeof part === "number") || typeof name !== "string") continue;
    if (isObject(parent) && !Object.hasOwn(parent, name)) result = withValue(result, path, keep(sealed));
  }
  return result as JsonObject;
}

/** The value with `placeholder` in place of everything sealed: what can be checked of it is that it is there. */
export function withPlaceholders(value: unknown, placeholder: JsonObject): unknown {
  if (Array.isArray(value)) return value.map((item) => withPlaceholders(item, placeholder));
  if (!isObject(value)) return value;
  if (isSealed(value)) return placeholder;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, withPlaceholders(child, placeholder)]));
}

/** Every seal of the value that is not to this key. One that names no key is of before keys had names. */
export function sealsNotTo(value: unknown, kid: string): string[] {
  const seals = new Set<string>();
  replaceSeals(value, (seal) => {
    if (keyOf(seal) !== kid) seals.add(seal);
    return seal;
  });
  return [...seals];
}

function keyOf(seal: string): unknown {
  try {
    return JSON.parse(Buffer.from(seal.split(".")[0] ?? "", "base64url").toString("utf8")).kid;
  } catch {
    return undefined;
  }
}

/** The value with other seals in place of its own. */
export function replaceSeals(value: unknown, replace: (seal: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => replaceSeals(item, replace));
  if (!isObject(value)) return value;
  if (isSealed(value)) return { [SEALED_FIELD]: replace(value[SEALED_FIELD]) };
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, replaceSeals(child, replace)]));
}

/** The value with everything sealed left out: what may be shown. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (isSealed(item) ? null : withoutSecrets(item)));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]) => (isSealed(child) ? [] : [[key, withoutSecrets(child)]])),
  );
}

/** The value without the secrets that `given` says are null. */
export function withoutNullSecrets(value: JsonObject, given: JsonObject, places: readonly SecretPlace[]): JsonObject {
  let result: unknown = value;
  for (const path of secretPaths(given, places))
    if (valueAt(given, path) === null && typeof path.at(-1) === "string") result = without(result, path);
  return result as JsonObject;
}

/**
 * What may be shown of stored settings: nothing sealed, and nothing that stands in clear where the schema has a secret by
 * now, for it was none when it was stored.
 */
export function shownSettings(stored: JsonObject, places: readonly SecretPlace[]): JsonObject {
  let result: unknown = stored;
  for (const path of secretPaths(stored, places)) result = withValue(result, path, { [SEALED_FIELD]: "" });
  return withoutSecrets(result) as JsonObject;
}

/** The schema, accepting the placeholder wherever a secret may stand: to check settings whose secrets are kept. */
export function schemaWithKept(schema: JsonObject, nonce: string): JsonObject {
  const widen = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(widen);
    if (!isObject(node)) return node;
    const copy = Object.fromEntries(Object.entries(node).map(([key, child]) => [key, widen(child)]));
    return node.writeOnly === true ? { writeOnly: true, if: { const: keptPlaceholder(nonce) }, else: copy } : copy;
  };
  return widen(schema) as JsonObject;
}

function expand(value: unknown, [first, ...rest]: SecretPlace): Path[] {
  if (first === undefined) return [[]];
  if (first === ANY_KEY) {
    const children = Array.isArray(value)
      ? value.map((child, index) => [index, child] as const)
      : isObject(value)
        ? Object.entries(value)
        : [];
    return children.flatMap(([key, child]) => expand(child, rest).map((path) => [key, ...path]));
  }
  if (!isObject(value) || !Object.hasOwn(value, first)) return [];
  return expand(value[first], rest).map((path) => [first, ...path]);
}

function valueAt(value: unknown, path: Path): unknown {
  let node = value;
  for (const part of path) {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, part)) return undefined;
    node = (node as Record<string | number, unknown>)[part];
  }
  return node;
}

function withValue(value: unknown, [first, ...rest]: Path, replacement: unknown): unknown {
  if (first === undefined) return replacement;
  if (Array.isArray(value))
    return value.map((item, index) => (index === first ? withValue(item, rest, replacement) : item));
  const object = isObject(value) ? value : {};
  return { ...object, [first]: withValue(object[String(first)], rest, replacement) };
}

function without(value: unknown, [first, ...rest]: Path): unknown {
  if (Array.isArray(value)) return value.map((item, index) => (index === first ? without(item, rest) : item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
      if (key !== first) return [[key, child]];
      return rest.length === 0 ? [] : [[key, without(child, rest)]];
    }),
  );
}

function isPrefix(shorter: Path, longer: Path): boolean {
  return shorter.every((part, index) => part === longer[index]);
}

function isSealed(value: unknown): value is SealedValue {
  return isObject(value) && Object.keys(value).length === 1 && typeof value[SEALED_FIELD] === "string";
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
