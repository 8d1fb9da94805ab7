import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findExecutable } from "./find-executable.ts";
import { forgetProcess, reapProcess } from "./reaper.ts";
import { waitUntil } from "./wait-until.ts";

export interface SuperviseOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Run as this user; only root may ask for another. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Where standard output and error go: a file, a pipe read through `child`, or this process's own. */
  readonly output: { readonly file: string } | "pipe" | "inherit";
  /** What it gets when this process ends without having stopped it. */
  readonly orphanSignal?: "KILL" | "QUIT";
}

/** A child that does not outlive this process, however this process ends. */
export interface Supervised {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Resolves with the exit status, null after a signal. */
  readonly exited: Promise<number | null>;
  isRunning(): boolean;
  /** Freezes it (SIGSTOP) and waits until none of its threads runs any more; SIGCONT wakes it. */
  freeze(): Promise<void>;
  /** Sends a signal and waits for the end; after `graceMs` it is killed. */
  end(signal: NodeJS.Signals, graceMs?: number): Promise<void>;
}

const GRACE_MS = 15_000;
const FREEZE_MS = 10_000;

/** Starts a child. It leads its own session, so that a Ctrl-C reaches only this process, which then stops it in order. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const setpriv = setprivWithDeathSignal();
  const { command, args } = wrapped(setpriv, options);
  const log = typeof options.output === "string" ? undefined : openSync(options.output.file, "a");
  const stdio = typeof options.output === "string" ? options.output : log;
  const child = spawn(command, args, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(setpriv === undefined && options.user !== undefined && options.user),
    env: options.env,
    detached: true,
    stdio: ["ignore", stdio, stdio],
  });
  if (log !== undefined) closeSync(log);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${options.command} could not be started: ${error.message}`)));
    child.once("spawn", () => resolve(child.pid ?? 0));
  });
  reapProcess(pid, options.orphanSignal === "QUIT");
  exited.then(() => forgetProcess(pid));
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const freeze = async () => {
    child.kill("SIGSTOP");
    await waitUntil(`process ${pid} is frozen`, FREEZE_MS, () => (isFrozen(pid) ? true : undefined));
  };
  return {
    pid,
    child,
    exited,
    isRunning,
    freeze,
    end: (signal, graceMs = GRACE_MS) => end(child, exited, signal, graceMs),
  };
}

/** On a busy machine a process with many threads runs on for a while after the signal. */
function isFrozen(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  try {
    return readdirSync(tasks).every((task) => /\) [TtXZ] /.test(readFileSync(join(tasks, task, "stat"), "utf8")));
  } catch {
    // A thread ended while it was asked.
    return false;
  }
}

async function end(
  child: ChildProcess,
  exited: Promise<number | null>,
  signal: NodeJS.Signals,
  graceMs: number,
): Promise<void> {
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await exited;
  clearTimeout(timer);
}

/** With setpriv the kernel itself ends the child when its parent is gone, and the user changes on the way. */
function wrapped(setpriv: string | undefined, options: SuperviseOptions): { command: string; args: string[] } {
  if (setpriv === undefined) return { command: options.command, args: [...options.args] };
  const user =
    options.user === undefined
      ? []
      : ["--reuid", String(options.user.uid), "--regid", String(options.user.gid), "--clear-groups"];
  const args = ["--pdeathsig", options.orphanSignal ?? "KILL", ...user, "--", options.command, ...options.args];
  return { command: setpriv, args };
}

let setprivFound: { readonly path: string | undefined } | undefined;

function setprivWithDeathSignal(): string | undefined {
  setprivFound ??= { path: findSetpriv() };
  return setprivFound.path;
}

/** BusyBox's setpriv has no --pdeathsig. */
function findSetpriv(): string | undefined {
  const path = findExecutable("setpriv", process.env.PATH ?? "");
  if (path === undefined) return undefined;
  return spawnSync(path, ["--help"], { encoding: "utf8" }).stdout?.includes("--pdeathsig") ? path : undefined;
}
