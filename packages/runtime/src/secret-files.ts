import { readFileSync } from "node:fs";
import type { Environment } from "./environment.ts";

/** What a variable's name ends with when it gives the file that a secret is in. */
const SUFFIX = "_FILE";

/** An environment with the secrets of files in it, and what was wrong with those files. */
export interface WithSecrets {
  readonly environment: Environment;
  /** By setting: these have no value, and a problem of their own. */
  readonly problems: ReadonlyMap<string, string>;
}

/**
 * Puts the content of the file that `NAME_FILE` names in the place of `NAME`: container engines hand over secrets as
 * files, which no `inspect` and no list of processes shows. One line end at the file's end is dropped, nothing else.
 * @param names the settings that may come so.
 */
export function withSecretFiles(names: readonly string[], environment: Environment): WithSecrets {
  const problems = new Map<string, string>();
  const read: Record<string, string> = {};
  for (const name of names) {
    const path = environment[name + SUFFIX];
    if (path === undefined) continue;
    if (environment[name] !== undefined) {
      problems.set(name, `and ${name}${SUFFIX} are both set: give one of them`);
      continue;
    }
    const content = contentOf(path);
    if ("problem" in content) problems.set(name, `cannot be read: ${name}${SUFFIX} ${content.problem}`);
    else read[name] = content.text;
  }
  return { environment: { ...environment, ...read }, problems };
}

function contentOf(path: string): { readonly text: string } | { readonly problem: string } {
  if (path === "") return { problem: "is empty: give the path of a file" };
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    return text === "" ? { problem: `names an empty file, ${path}` } : { text };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = REASONS[code ?? ""] ?? message;
    return { problem: `names ${path}, which ${reason}` };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "is not there",
  EACCES: "this process may not read",
  EISDIR: "is a directory",
};
