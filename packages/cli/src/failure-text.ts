import type { CommandFailed } from "./exit-code.ts";
import { plainText } from "./plain-text.ts";

/** What is said on standard error: code, detail, every problem with its place, and the next step. */
export function failureText(failure: CommandFailed): string {
  const { problem } = failure;
  if (problem === undefined) return `plugboard: ${failure.message}`;
  return [
    `plugboard: ${problem.title} (${problem.code}): ${plainText(problem.detail)}`,
    ...(problem.problems ?? []).map(
      ({ path, message }) => `  ${plainText(path === "" ? "the whole" : path)}: ${plainText(message)}`,
    ),
    `  next: ${plainText(problem.next)}`,
    ...(problem.code === "internal" ? [`  request: ${problem.instance ?? "unknown"}`] : []),
  ].join("\n");
}
