import type { ConcernedTeams } from "@plugboard/contract";
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
    ...teamsText(problem.teams),
    `  next: ${plainText(problem.next)}`,
    ...(problem.code === "internal" ? [`  request: ${problem.instance ?? "unknown"}`] : []),
  ].join("\n");
}

function teamsText(teams: ConcernedTeams | undefined): string[] {
  if (teams === undefined) return [];
  const more = teams.count - teams.named.length;
  return [`  teams: ${plainText(teams.named.join(", "))}${more > 0 ? `, and ${more} more` : ""}`];
}
