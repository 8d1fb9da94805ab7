import { type ProblemItem, SEALED_FIELD } from "@plugboard/contract";

/** Levels of nesting accepted in what is stored. */
const DEPTH_MAX = 32;
/** Problems told at once; a hostile body could hold thousands. */
export const PROBLEMS_MAX = 100;

/**
 * Why a JSON value cannot be kept: text that Postgres refuses (NUL, half a surrogate pair), keys that mean something to
 * us or to JavaScript, numbers beyond a double, too many levels. Empty when it can.
 */
export function unstorable(value: unknown, path = "", depth = 0): ProblemItem[] {
  if (typeof value === "string") return textProblems(value, path);
  if (isInfinite(value)) return [outOfRange(path)];
  if (typeof value !== "object" || value === null) return [];
  if (depth >= DEPTH_MAX) return [{ path, message: `is nested deeper than ${DEPTH_MAX} levels` }];
  const problems: ProblemItem[] = [];
  for (const [key, child] of Object.entries(value)) {
    const at = `${path}/${escapePointer(key)}`;
    if (key === "__proto__" || key === SEALED_FIELD) problems.push(reserved(key, at));
    problems.push(...textProblems(key, at), ...unstorable(child, at, depth + 1));
    if (problems.length >= PROBLEMS_MAX) break;
  }
  return problems.slice(0, PROBLEMS_MAX);
}

/** Whether a value is nested deeper than `levels`; without recursion of its own, for parsing takes any number of them. */
export function isDeeperThan(levels: number, value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true;
    level = level.flatMap((parent) =>
      typeof parent === "object" && parent !== null
        ? Object.values(parent).filter((child) => typeof child === "object" && child !== null)
        : [],
    );
  }
  return false;
}

/**
 * What of a body would change without a word on its way: schemas drop a key named `__proto__`, and a number beyond a
 * double is infinite once read and null once written. The value must not be deeper than a stack: see {@link isDeeperThan}.
 */
export function unfaithful(value: unknown, path = ""): ProblemItem[] {
  if (isInfinite(value)) return [outOfRange(path)];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value)
    .flatMap(([key, child]) => {
      const at = `${path}/${escapePointer(key)}`;
      return key === "__proto__" ? [reserved(key, at)] : unfaithful(child, at);
    })
    .slice(0, PROBLEMS_MAX);
}

/** Values that are the same as JSON give the same text, whatever the order of their keys. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : item,
  );
}

/** Text as Postgres keeps it, at most `length` characters of it. */
export function storableText(text: string, length: number): string {
  return text.slice(0, length).replaceAll("\u0000", "").toWellFormed();
}

/** A key as part of a JSON pointer. */
export function escapePointer(key: string): string {
  return key.toWellFormed().replaceAll("\u0000", "").replaceAll("~", "~0").replaceAll("/", "~1");
}

function isInfinite(value: unknown): boolean {
  return typeof value === "number" && !Number.isFinite(value);
}

function outOfRange(path: string): ProblemItem {
  return { path, message: "is a number out of range" };
}

function reserved(key: string, path: string): ProblemItem {
  return { path, message: `"${key}" is a reserved name` };
}

function textProblems(text: string, path: string): ProblemItem[] {
  if (text.includes("\u0000")) return [{ path, message: "contains the character U+0000" }];
  return text.isWellFormed() ? [] : [{ path, message: "contains half of a surrogate pair" }];
}
