import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { projectRoot } from "@plugboard/stack";
import { type Machine, type Result, resultSchema } from "./result.ts";

const directory = () => join(projectRoot(), "bench", "results");
/** Results whose name begins so are not kept in the repository, nor shown in its documents. */
const TRIAL = "trial-";

/** Writes a result. @returns its file, from the repository's root. */
export function saveResult(result: Result): string {
  mkdirSync(directory(), { recursive: true });
  writeFileSync(join(directory(), `${result.name}.json`), `${JSON.stringify(result, undefined, 1)}\n`);
  return join("bench", "results", `${result.name}.json`);
}

/** All results that are no trials, by name. @throws on a file that is no result. */
export function readResults(): Result[] {
  if (!existsSync(directory())) return [];
  return readdirSync(directory())
    .filter((file) => file.endsWith(".json") && !file.startsWith(TRIAL))
    .sort()
    .map((file) => resultSchema.parse(JSON.parse(readFileSync(join(directory(), file), "utf8"))));
}

/** What a result says of where it comes from. */
export function provenance(name: string, disk: Machine["disk"]) {
  const [cpu] = cpus();
  return {
    name,
    command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim(),
    at: new Date().toISOString(),
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { cwd: projectRoot(), encoding: "utf8" }).trim(),
    machine: {
      cpu: cpu?.model ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      node: process.version,
      disk,
    },
  };
}
