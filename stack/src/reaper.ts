import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Reads "+pid N", "-pid N" and "+dir PATH" lines from its standard input; "+quit N" is a process to be asked first. When
 * the input ends, which is when the process that started it has ended however it ended, it kills the processes left,
 * each with its group, and removes the directories.
 */
const SCRIPT = `
trap '' INT TERM HUP
pids= quits=
while IFS=' ' read -r verb what; do
  case $verb in
    +pid) pids="$pids $what" ;;
    +quit) pids="$pids $what" quits="$quits $what" ;;
    -pid)
      kept=; for pid in $pids; do [ "$pid" = "$what" ] || kept="$kept $pid"; done; pids=$kept
      kept=; for pid in $quits; do [ "$pid" = "$what" ] || kept="$kept $pid"; done; quits=$kept ;;
    +dir) set -- "$@" "$what" ;;
  esac
done
for pid in $quits; do kill -QUIT "$pid" 2>/dev/null && asked=1; done
[ -z "$asked" ] || sleep 1
for pid in $pids; do kill -KILL "-$pid" 2>/dev/null; done
for dir in "$@"; do rm -rf -- "$dir" || { sleep 1; rm -rf -- "$dir"; }; done
`;

let reaper: ChildProcess | undefined;

/**
 * Has a process group killed when this process ends, even by kill -9.
 * @param quit its leader gets SIGQUIT and a second to follow it first.
 */
export function reapProcess(pid: number, quit: boolean): void {
  tell(`${quit ? "+quit" : "+pid"} ${pid}`);
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
