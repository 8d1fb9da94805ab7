#!/usr/bin/env node
// Committed as JavaScript, because npm links it before anything is built, and readable by older versions of Node, because
// that may be what runs it. What is built is run, and before it is built, the source: both by Node 24.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR = 24;
const cli = join(dirname(fileURLToPath(import.meta.url)), "..");
const isBuilt = existsSync(join(cli, "dist", "main.js"));
const fromSource = process.execArgv.includes("--conditions=source");
const isNewEnough = Number(process.versions.node.split(".")[0]) >= NODE_MAJOR;

if (isNewEnough && (isBuilt || fromSource)) {
  // Most of a short command's time is compiling what it imports.
  module.enableCompileCache();
  await import("@plugboard/cli");
} else {
  const installed = join(cli, "..", "..", "node_modules", ".bin", "node");
  const node = !isNewEnough && existsSync(installed) ? installed : process.execPath;
  const source = isBuilt ? [] : ["--conditions=source"];
  const entry = join(cli, isBuilt ? "dist/main.js" : "src/main.ts");
  const child = spawn(node, [...source, entry, ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal sends Ctrl-C to both; whoever signals this process alone means the child.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code) => process.exit(code ?? 1));
  child.on("error", (error) => {
    process.stderr.write(`plugboard: ${node} could not be run: ${error.message}\n`);
    process.exit(1);
  });
}
