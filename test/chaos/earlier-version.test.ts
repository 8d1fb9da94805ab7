import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { createOwnedDirectory } from "@plugboard/stack";
import { checkOutEarlierVersion } from "./earlier-version.ts";

const repository = createOwnedDirectory();
const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], { cwd: repository });

/** A commit whose install says which version it installed, and where; or fails. */
function commit(version: string, install = "writeFileSync('installed', readFileSync('version'))"): void {
  writeFileSync(join(repository, "version"), version);
  mkdirSync(join(repository, "stack"), { recursive: true });
  const script = `import { readFileSync, writeFileSync } from "node:fs";\n${install};\n`;
  writeFileSync(join(repository, "stack", "install.mjs"), script);
  git("add", ".");
  git("commit", "--quiet", "--message", version);
}

beforeAll(() => {
  git("init", "--quiet");
  commit("one");
  commit("two");
  writeFileSync(join(repository, "version"), "not committed");
});

test("an earlier version is that commit's files, installed where they are, and goes when it is removed", async () => {
  const { root, commit, remove } = await checkOutEarlierVersion("HEAD~1", repository);
  expect(commit).toBe(String(git("rev-parse", "HEAD~1")).trim());
  expect(readFileSync(join(root, "version"), "utf8")).toBe("one");
  expect(readFileSync(join(root, "installed"), "utf8")).toBe("one");
  expect(existsSync(join(repository, "installed"))).toBe(false);
  remove();
  expect(existsSync(root)).toBe(false);
});

test("no such commit, and an install that fails, are said", async () => {
  await expect(checkOutEarlierVersion("no-such-tag", repository)).rejects.toThrow("rev-parse");
  commit("three", "throw new Error('the registry is away')");
  await expect(checkOutEarlierVersion("HEAD", repository)).rejects.toThrow("the registry is away");
});
