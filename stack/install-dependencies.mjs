import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
/** Inside node_modules: whoever removes that removes the stamp with it. */
const STAMP = join(ROOT, "node_modules", ".plugboard-install.json");
const LOCK = join(ROOT, ".plugboard", "install.lock");
/** A first install over a slow line takes minutes; another process waits that long for it. */
const LOCK_WAIT_MS_MAX = 15 * 60_000;
const LOCK_POLL_MS = 200;
/** Longest between the making of the lock and its owner's number in it. */
const NUMBER_MS_MAX = 10_000;

/**
 * Installs what the lock file names and generates the database client, each only when its inputs changed since the
 * last time. Two at once wait for each other.
 */
export function installDependencies() {
  if (missing().length === 0) return;
  const release = takeLock();
  try {
    for (const step of missing()) step();
  } finally {
    release();
  }
}

/** The steps whose result is not there or was made from something else. */
function missing() {
  const stamp = readJson(STAMP) ?? {};
  const steps = [];
  if (stamp.install !== installDigest() || !existsSync(join(ROOT, "node_modules", ".bin", "node"))) steps.push(install);
  const prisma = prismaDigest();
  const generated = existsSync(join(ROOT, "apps", "manager", "src", "generated", "prisma"));
  if (prisma !== undefined && (stamp.prisma !== prisma || !generated || steps.length > 0)) steps.push(generate);
  return steps;
}

/** `npm ci` refuses a lock without the optional packages of other platforms, which some registries do not have. */
function install() {
  say("installing dependencies (npm install)");
  const npm = process.env.npm_execpath;
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  if (npm?.endsWith(".js")) run(process.execPath, [npm, ...args]);
  else run("npm", args);
  saveStamp({ install: installDigest() });
}

function generate() {
  say("generating the database client (prisma generate)");
  // The client is generated without the engine that `prisma` would fetch; any executable passes for it.
  const engine = process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? "/usr/bin/true";
  run(join(ROOT, "node_modules", ".bin", "prisma"), ["generate", "--no-hints"], {
    PRISMA_SCHEMA_ENGINE_BINARY: engine,
  });
  saveStamp({ prisma: prismaDigest() });
}

/** The lock, all package.json files, npm's settings and the platform. */
function installDigest() {
  const workspaces = readJson(join(ROOT, "package.json")).workspaces.flatMap((pattern) => {
    if (!pattern.endsWith("/*")) return [pattern];
    const parent = pattern.slice(0, -2);
    return existsSync(join(ROOT, parent))
      ? readdirSync(join(ROOT, parent))
          .sort()
          .map((name) => `${parent}/${name}`)
      : [];
  });
  const files = ["package.json", "package-lock.json", ".npmrc", ...workspaces.map((name) => `${name}/package.json`)];
  return digest(files, `${process.platform} ${process.arch}`);
}

function prismaDigest() {
  const files = ["prisma/schema.prisma", "prisma.config.ts"].filter((file) => existsSync(join(ROOT, file)));
  return files.length === 0 ? undefined : digest(files, installDigest());
}

function digest(files, extra) {
  const hash = createHash("sha256").update(extra);
  for (const file of files) {
    const path = join(ROOT, file);
    hash.update(`\n${file}\n`).update(existsSync(path) ? readFileSync(path) : "");
  }
  return hash.digest("hex");
}

/** Runs in the root with its output shown; what npm set for its own scripts is not passed on. */
function run(command, args, extra = {}) {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.toLowerCase().startsWith("npm_") && name !== "NODE_ENV" && name !== "NODE_OPTIONS",
  );
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    env: { ...Object.fromEntries(kept), ...extra },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status === 0) return;
  say(`\`${[command, ...args].join(" ")}\` failed${error === undefined ? "" : `: ${error.message}`}`);
  throw new InstallFailed();
}

/** What failed has been said already. */
class InstallFailed extends Error {
  name = "InstallFailed";
}

function saveStamp(part) {
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, JSON.stringify({ ...readJson(STAMP), ...part }));
}

/** Making a directory either succeeds or not: whoever makes it holds the lock, until its process is gone. */
function takeLock() {
  mkdirSync(dirname(LOCK), { recursive: true });
  const owner = join(LOCK, "pid");
  const deadline = Date.now() + LOCK_WAIT_MS_MAX;
  for (let said = false; ; said = true) {
    try {
      mkdirSync(LOCK);
      writeFileSync(owner, String(process.pid));
      return () => rmSync(LOCK, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== "EEXIST" || Date.now() > deadline) throw error;
    }
    if (!said) say("waiting for another install to finish");
    if (isGone(owner)) rmSync(LOCK, { recursive: true, force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
  }
}

function isGone(owner) {
  try {
    process.kill(Number(readFileSync(owner, "utf8")), 0);
    return false;
  } catch (error) {
    if (error.code === "ESRCH") return true;
    // Its owner has written no number: it is doing so at this moment, or never will.
    const { mtimeMs } = statSync(LOCK, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    return error.code === "ENOENT" && Date.now() - mtimeMs > NUMBER_MS_MAX;
  }
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function say(text) {
  process.stderr.write(`plugboard: ${text}\n`);
}
