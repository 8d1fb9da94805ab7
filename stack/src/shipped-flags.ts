import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./project-paths.ts";

/**
 * The flags of node that a workspace's own start script has: the one place that says them, for V8 takes those of its heap only
 * when node starts. @param directory of the workspace, as `apps/router`.
 */
export function shippedFlags(directory: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(projectRoot(), directory, "package.json"), "utf8")) as {
    readonly scripts?: { readonly start?: string };
  };
  return (scripts?.start ?? "").split(" ").filter((word) => word.startsWith("--"));
}
