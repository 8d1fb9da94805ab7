import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { findExecutable } from "../src/find-executable.ts";
import { startOf } from "../src/owned-directory.ts";
import { projectRoot } from "../src/project-paths.ts";
import { waitUntil } from "../src/wait-until.ts";

/** Programs the services need, without setpriv. */
const NEEDED = ["sh", "rm", "sleep", "java", "mvn", "redis-server", "postgres", "initdb", "env", "dirname", "uname"];
const START_MS = 90_000;
const GONE_MS = 30_000;

let bare: string;

beforeEach(() => {
  bare = mkdtempSync(join(tmpdir(), "orphans-"));
  for (const name of NEEDED) {
    const found = findExecutable(name, process.env.PATH ?? "");
    if (found !== undefined) symlinkSync(found, join(bare, name));
  }
});

afterEach(() => rmSync(bare, { recursive: true }));

/** A process that holds a Kafka, a Redis and a PostgreSQL; resolves when they run. */
async function holdServices(path: string): Promise<ChildProcess> {
  const holder = spawn(
    process.execPath,
    ["--conditions=source", join(projectRoot(), "stack/test/fixtures/hold-services.ts")],
    {
      env: { ...process.env, PATH: path, NODE_OPTIONS: "" },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  holder.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  await waitUntil("the services run", START_MS, () => {
    if (holder.exitCode !== null) throw new Error("the process that should hold the services ended");
    return output.includes("\n") ? true : undefined;
  });
  return holder;
}

/** All processes below one, with their starts: a number alone may go to another process. */
function descendants(pid: number): { readonly pid: number; readonly start: number | undefined }[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]);
  const below = (parent: number): number[] =>
    pairs.filter(([, ppid]) => ppid === parent).flatMap(([child]) => [child, ...below(child)]);
  return below(pid).map((child) => ({ pid: child, start: startOf(child) }));
}

function directoriesOf(pid: number): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`plugboard-${pid}-`));
}

function isListedStill({ pid, start }: { pid: number; start: number | undefined }): boolean {
  return existsSync(`/proc/${pid}`) && startOf(pid) === start;
}

describe("nothing is left when the process that holds the services is ended by", () => {
  test.each([
    ["SIGKILL", "with setpriv", () => process.env.PATH ?? ""],
    ["SIGKILL", "without setpriv", () => bare],
    ["SIGINT", "without any handler of its own", () => process.env.PATH ?? ""],
  ] as const)(
    "%s, %s",
    async (signal, _, path) => {
      const holder = await holdServices(path());
      const pid = holder.pid ?? 0;
      const children = descendants(pid);
      // A broker, a Redis, a PostgreSQL with its own children, and the reaper.
      expect(children.length).toBeGreaterThan(5);
      expect(directoriesOf(pid)).toHaveLength(3);
      holder.kill(signal);
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, "exit");
      await waitUntil("all of its processes are gone", GONE_MS, () =>
        children.some(isListedStill) ? undefined : true,
      );
      await waitUntil("all of its data is gone", GONE_MS, () => (directoriesOf(pid).length > 0 ? undefined : true));
    },
    START_MS + 2 * GONE_MS,
  );
});
