import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root: the nearest directory above whose package.json is the workspace's. */
export function projectRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!isRoot(directory)) {
    const above = dirname(directory);
    if (above === directory) throw new Error("the stack is used outside of its repository");
    directory = above;
  }
  return directory;
}

function isRoot(directory: string): boolean {
  const file = join(directory, "package.json");
  return existsSync(file) && "workspaces" in (JSON.parse(readFileSync(file, "utf8")) as object);
}

/** Where what was fetched is kept, for all checkouts of this user: jars and binaries, nothing that is data. */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string {
  return environment.PLUGBOARD_CACHE_DIR ?? join(environment.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "plugboard");
}

/**
 * For the environment of a process of the project: Node keeps the code it compiled there, and the next start of the same
 * process takes a quarter less processor time.
 */
export function compileCache(): { readonly NODE_COMPILE_CACHE: string } {
  return { NODE_COMPILE_CACHE: join(projectRoot(), ".plugboard", "compile-cache") };
}
