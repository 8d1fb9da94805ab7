import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { projectRoot } from "@plugboard/stack";

/** The package is CommonJS, and its types say of its export what holds there only. */
const require = createRequire(import.meta.url);
const dockerignore = require("@balena/dockerignore") as () => Ignore;

interface Ignore {
  add(patterns: string): Ignore;
  filter(paths: readonly string[]): string[];
}

const LIST_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The files that an engine sends to the build of a fresh clone: those in git, less what .dockerignore leaves out.
 * @param more paths taken as if they were in the work tree.
 */
export function contextFiles(more: readonly string[] = []): string[] {
  const root = projectRoot();
  const listed = execFileSync("git", ["ls-files", "-z"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: LIST_BYTES_MAX,
  });
  const present = listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
  const ignored = dockerignore().add(readFileSync(join(root, ".dockerignore"), "utf8"));
  return ignored.filter([...present, ...more]);
}
