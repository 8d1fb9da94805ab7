import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Reads "+pid N", "-pid N" and "+dir PATH" lines from its standard input. When that ends, which is when the process
 * that started it has ended however it ended, it kills the processes left and removes the directories. Postgres first
 * gets the signal that lets it free its shared memory.
 */
const SCRIPT = `
trap '' INT TERM HUP
pids=
while IFS=' ' read -r verb what; do
  case $verb in
    +pid) pids="$pids $what" ;;
    -pid) kept=; for pid in $pids; do [ "$pid" = "$what" ] || kept="$kept $pid"; done; pids=$kept ;;
    +dir) set -- "$@" "$what" ;;
  esac
done
[ -z "$pids" ] || kill -QUIT $pids 2>/dev/null
[ -z "$pids" ] || { sleep 1; kill -KILL $pids 2>/dev/null; sleep 0.2; }
for dir in "$@"; do rm -rf -- "$dir" || { sleep 1; rm -rf -- "$dir"; }; done
`;

let reaper: ChildProcess | undefined;

/** Has a process killed when this one ends, even by kill -9. */
export function reapProcess(pid: number): void {
  tell(`+pid ${pid}`);
}

/** A process ended by itself: its number may be another's from now on. */
export function forgetProcess(pid: number): void {
  tell(`-pid ${pid}`);
}

/** Has a directory removed when this process ends, even by kill -9. */
export function reapDirectory(path: string): void {
  tell(`+dir ${path}`);
}

function tell(line: string): void {
  reaper ??= startReaper();
  reaper.stdin?.write(`${line}\n`);
}

function startReaper(): ChildProcess {
  // Detached: a Ctrl-C in the terminal must not end it. Unreferenced: it never keeps this process alive.
  const child = spawn("/bin/sh", ["-c", SCRIPT, "plugboard-reaper"], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}
