import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "@plugboard/stack";

/** One fenced block of shell commands. */
export interface RunbookBlock {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly text: string;
  /** Marked `sh drill`: run by `npm run chaos -- --drill`. */
  readonly drilled: boolean;
}

/** docs/RUNBOOK.md as it is written. */
export function readRunbook(): string {
  return readFileSync(join(projectRoot(), "docs", "RUNBOOK.md"), "utf8");
}

export function runbookBlocks(text = readRunbook()): RunbookBlock[] {
  return [...text.matchAll(/^```sh( drill)?\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length,
    text: match[2] ?? "",
    drilled: match[1] !== undefined,
  }));
}

/** Titles of the sections of a level, in order. */
export function runbookSections(level: 2 | 3, text = readRunbook()): string[] {
  const marks = "#".repeat(level);
  return [...text.matchAll(new RegExp(`^${marks} (.+)$`, "gm"))].map((match) => match[1] ?? "");
}
