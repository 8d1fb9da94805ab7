import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { projectRoot } from "../src/project-paths.ts";

const run = promisify(execFile);

/** Stands in for npm: notes its arguments and environment, and "installs" Node. */
const NPM = `#!/bin/sh
echo "npm $*" >> "$LOG"
env > "$LOG.env"
[ -z "$FAILS" ] || exit 1
sleep 0.3
mkdir -p node_modules/.bin
touch node_modules/.bin/node
`;

let project: string;
let environment: Record<string, string>;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "install-"));
  mkdirSync(join(project, "stack"));
  mkdirSync(join(project, "bin"));
  for (const file of ["install.mjs", "install-dependencies.mjs"]) {
    copyFileSync(join(projectRoot(), "stack", file), join(project, "stack", file));
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ workspaces: ["apps/*"] }));
  writeFileSync(join(project, "package-lock.json"), "{}");
  writeFileSync(join(project, "bin", "npm"), NPM);
  chmodSync(join(project, "bin", "npm"), 0o755);
  environment = { PATH: `${join(project, "bin")}:${process.env.PATH}`, LOG: join(project, "log") };
});

afterEach(() => rmSync(project, { recursive: true }));

async function install(extra: Record<string, string> = {}, flags: string[] = []): Promise<string> {
  const args = [...flags, join(project, "stack", "install.mjs")];
  const { stderr } = await run(process.execPath, args, { cwd: project, env: { ...environment, ...extra } });
  return stderr;
}

function installs(): number {
  const log = join(project, "log");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0;
}

describe("the install before each command", () => {
  test("installs once, says so, and is silent when everything is in place", async () => {
    expect(await install()).toContain("installing dependencies");
    expect(await install()).toBe("");
    expect(installs()).toBe(1);
    expect(readFileSync(join(project, "log"), "utf8")).toContain("npm install --no-save");
  });

  test.each(["package-lock.json", "package.json", ".npmrc", "apps/new/package.json"])(
    "installs anew when %s changes",
    async (file) => {
      await install();
      mkdirSync(join(project, "apps", "new"), { recursive: true });
      writeFileSync(join(project, file), JSON.stringify({ workspaces: ["apps/*"], changed: true }));
      await install();
      expect(installs()).toBe(2);
    },
  );

  test("installs anew when node_modules is gone", async () => {
    await install();
    rmSync(join(project, "node_modules"), { recursive: true });
    await install();
    expect(installs()).toBe(2);
  });

  test("done twice at once is done once", async () => {
    await Promise.all([install(), install(), install()]);
    expect(installs()).toBe(1);
  });

  test("takes over from a process that died in the middle", async () => {
    mkdirSync(join(project, ".plugboard", "install.lock"), { recursive: true });
    const dead = (await run("/bin/sh", ["-c", "echo $$"])).stdout.trim();
    writeFileSync(join(project, ".plugboard", "install.lock", "pid"), dead);
    await install();
    expect(installs()).toBe(1);
  });

  test("fails when npm fails, and tries again the next time", async () => {
    await expect(install({ FAILS: "yes" })).rejects.toMatchObject({ code: 1 });
    await install();
    expect(installs()).toBe(2);
  });

  test("keeps what npm set for its own script from npm", async () => {
    await install({
      npm_config_global: "true",
      npm_lifecycle_event: "pretest",
      NODE_ENV: "production",
      NODE_OPTIONS: "",
    });
    const seen = readFileSync(join(project, "log.env"), "utf8");
    expect(seen).toContain("LOG=");
    expect(seen).not.toMatch(/^(npm_|NODE_ENV|NODE_OPTIONS)/m);
  });

  test("says in one line that Node is too old, and how to get another", async () => {
    const old = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"18.20.0"}})';
    await expect(install({}, ["--import", old])).rejects.toMatchObject({
      code: 1,
      stderr: "Node 18.20.0 is too old: 20 or newer is needed; install it with: npm install --global node@24\n",
    });
    expect(installs()).toBe(0);
  });
});
