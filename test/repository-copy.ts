import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { projectRoot } from "@plugboard/stack";

/**
 * The repository's files as they stand, in a temporary directory of the caller's, with everything installed: dependencies
 * are linked to those of this checkout, the workspaces to the copies.
 */
export function copyRepository(): string {
  const root = projectRoot();
  const copy = mkdtempSync(join(tmpdir(), "plugboard-copy-"));
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const file of String(listed)
    .split("\0")
    .filter((name) => name !== "" && existsSync(join(root, name)))) {
    cpSync(join(root, file), join(copy, file));
  }
  for (const modules of globSync(["node_modules", "{apps,packages,plugins,examples}/*/node_modules"], { cwd: root })) {
    if (existsSync(dirname(join(copy, modules)))) linkModules(join(root, modules), join(copy, modules));
  }
  linkWorkspaces(copy);
  return copy;
}

function linkModules(from: string, to: string): void {
  mkdirSync(to);
  for (const name of readdirSync(from)) if (name !== "@plugboard") symlinkSync(join(from, name), join(to, name));
}

/** Links the workspaces that are not linked yet, as npm would. */
export function linkWorkspaces(copy: string): void {
  const scope = join(copy, "node_modules", "@plugboard");
  mkdirSync(scope, { recursive: true });
  for (const file of globSync(["{apps,packages,plugins,examples}/*/package.json", "{stack,bench}/package.json"], {
    cwd: copy,
  })) {
    const { name } = JSON.parse(readFileSync(join(copy, file), "utf8")) as { name: string };
    const link = join(scope, name.slice("@plugboard/".length));
    if (name.startsWith("@plugboard/") && !existsSync(link)) symlinkSync(dirname(join(copy, file)), link);
  }
}
