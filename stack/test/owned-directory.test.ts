import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createOwnedDirectory, isAlive, removeOwnerless, startOf } from "../src/owned-directory.ts";

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "owned-"));
});

afterEach(() => rmSync(parent, { recursive: true }));

function pidOfTheDead(): number {
  return spawnSync("true").pid;
}

describe("a temporary directory", () => {
  test("is removed by the next one when its process is gone, with what is in it", () => {
    const orphan = join(parent, `plugboard-${pidOfTheDead()}-0-x`);
    mkdirSync(join(orphan, "deep"), { recursive: true });
    writeFileSync(join(orphan, "deep", "file"), "");
    createOwnedDirectory(parent);
    expect(existsSync(orphan)).toBe(false);
  });

  test("is removed when its process number has gone to another process", () => {
    const reused = join(parent, `plugboard-${process.pid}-${(startOf(process.pid) ?? 0) + 1}-x`);
    mkdirSync(reused);
    expect(removeOwnerless(parent)).toEqual([basename(reused)]);
  });

  test("stays as long as its process lives, and so does what is not ours", () => {
    const own = createOwnedDirectory(parent);
    mkdirSync(join(parent, "something-else"));
    expect(removeOwnerless(parent)).toEqual([]);
    expect(existsSync(own)).toBe(true);
    expect(existsSync(join(parent, "something-else"))).toBe(true);
  });

  test("lets other users pass through, but not list it", () => {
    expect(statSync(createOwnedDirectory(parent)).mode & 0o777).toBe(0o711);
  });
});

test("a process is alive only under its own start", () => {
  const start = startOf(process.pid) ?? 0;
  expect(isAlive(process.pid, start)).toBe(true);
  expect(isAlive(process.pid, start + 1)).toBe(false);
  expect(isAlive(pidOfTheDead(), 0)).toBe(false);
});
