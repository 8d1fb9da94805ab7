import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reapDirectory } from "./reaper.ts";

/** `plugboard-<pid>-<start of that process>-<random>`: whose it is can be told without reading anything. */
const NAME = /^plugboard-(\d+)-(\d+)-/;

/**
 * A temporary directory that lives no longer than this process: its owner removes it, or the reaper, or at the latest
 * the next call here by whatever process.
 */
export function createOwnedDirectory(parent: string = tmpdir()): string {
  removeOwnerless(parent);
  const directory = mkdtempSync(join(parent, `plugboard-${process.pid}-${startOf(process.pid) ?? 0}-`));
  // Postgres, run by another user when we are root, has to pass through.
  chmodSync(directory, 0o711);
  reapDirectory(directory);
  return directory;
}

/** Removes the directories of processes that are gone. */
export function removeOwnerless(parent: string = tmpdir()): string[] {
  const removed: string[] = [];
  for (const name of readdirSync(parent)) {
    const [, pid, start] = NAME.exec(name) ?? [];
    if (pid === undefined || isAlive(Number(pid), Number(start))) continue;
    try {
      rmSync(join(parent, name), { recursive: true, force: true, maxRetries: 3 });
      removed.push(name);
    } catch {
      // Another user's, or being removed by another process at this moment: theirs to finish.
    }
  }
  return removed;
}

/** Whether the process still runs, and is the one that started then. */
export function isAlive(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const actual = startOf(pid);
  return actual === undefined || start === 0 || actual === start;
}

/** When a process started, in the kernel's ticks; undefined where /proc does not tell. */
export function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold spaces; the start is the 20th field after it.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return undefined;
  }
}
