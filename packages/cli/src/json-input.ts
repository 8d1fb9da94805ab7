import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { InvalidArgumentError } from "commander";
import { CommandFailed, EXIT } from "./exit-code.ts";

/** Reads JSON from a file, or from standard input for `-`. @throws CommandFailed (usage) naming the file and the fault. */
export async function readJson(file: string): Promise<unknown> {
  const name = file === "-" ? "standard input" : file;
  const content = await (file === "-" ? text(process.stdin) : readFile(file, "utf8")).catch((error: Error) => {
    throw new CommandFailed(EXIT.usage, `${name} cannot be read: ${error.message}`);
  });
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new CommandFailed(EXIT.usage, `${name} is not JSON: ${(error as Error).message}`);
  }
}

/** Reads a JSON object, as settings and inputs are. */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  const value = await readJson(file);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new CommandFailed(EXIT.usage, `${file === "-" ? "standard input" : file} must hold a JSON object`);
}

/** For a repeated `--set key=value`: the value is JSON where it is some (`true`, `5`, `["a"]`), and text otherwise. */
export function collectAssignment(argument: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const at = argument.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("key=value is needed.");
  const key = argument.slice(0, at);
  return { ...before, [key]: jsonOrText(argument.slice(at + 1)) };
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** For a list: `a,b`. */
export function commaSeparated(argument: string): string[] {
  const items = argument.split(",").map((item) => item.trim());
  if (items.includes("")) throw new InvalidArgumentError("a,b is needed, without empty items.");
  return items;
}

/** For a whole number within bounds. */
export function wholeNumber(min: number, max: number): (argument: string) => number {
  return (argument) => {
    const value = /^\d{1,12}$/.test(argument) ? Number(argument) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`a whole number from ${min} to ${max} is needed.`);
  };
}
