import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Whether another user can get at a path: every directory above it that exists lets others through. */
export function isReachableByOthers(path: string): boolean {
  for (let directory = path; ; directory = dirname(directory)) {
    if (existsSync(directory) && (statSync(directory).mode & 0o001) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}

/** Where what belongs at an unreachable path is put instead: always the same place for the same path. */
export function reachableTwin(path: string): string {
  const twin = join("/var/tmp", `plugboard-${createHash("sha256").update(path).digest("hex").slice(0, 16)}`);
  mkdirSync(twin, { recursive: true });
  chmodSync(twin, 0o711);
  return twin;
}
