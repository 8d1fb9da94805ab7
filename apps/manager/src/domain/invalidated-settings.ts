import { randomUUID } from "node:crypto";
import { Failure, type ProblemItem } from "@plugboard/contract";
import { compileSchema } from "./json-schema.ts";
import type { SettingsUnderLock } from "./ports.ts";
import type { JsonObject } from "./records.ts";
import { keptPlaceholder, schemaWithKept, withPlaceholders } from "./sealed-settings.ts";
import { PROBLEMS_MAX } from "./storable-json.ts";

/** Teams named in a refusal. */
const TEAMS_NAMED_MAX = 100;

/**
 * Holds a new schema against every team's settings. Of a secret, which is sealed to the plugin, only its presence can be
 * checked: the plugin checks the rest when it opens them.
 * @param force sends settings that do not fit to the plugin again, in place of refusing the schema.
 * @returns how many were.
 * @throws Failure `settings-invalidated`, with the teams.
 */
export async function followSettingsSchema(
  plugin: string,
  schema: JsonObject,
  teams: SettingsUnderLock,
  force: boolean,
): Promise<number> {
  // Random, so that nobody's settings can hold it.
  const nonce = randomUUID();
  const placeholder = keptPlaceholder(nonce);
  const compiled = compileSchema(schemaWithKept(schema, nonce));
  const named: string[] = [];
  const problems = new Map<string, { readonly problem: ProblemItem; teams: number }>();
  let count = 0;
  for await (const page of teams.pages()) {
    const unfit = page.flatMap(({ team, settings }) => {
      const found = compiled.problems(withPlaceholders(settings, placeholder));
      return found.length === 0 ? [] : [{ team, found }];
    });
    count += unfit.length;
    if (force && unfit.length > 0) await teams.sendAgain(unfit.map(({ team }) => team));
    named.push(...unfit.slice(0, TEAMS_NAMED_MAX - named.length).map(({ team }) => team));
    for (const problem of unfit.flatMap(({ found }) => found)) countProblem(problems, problem);
  }
  if (count === 0 || force) return count;
  throw new Failure("settings-invalidated", `the settings of ${count} team(s) do not fit the new schema of ${plugin}`, {
    problems: [...problems.values()].map(({ problem: { path, message }, teams: times }) => ({
      path,
      message: `${message} (${times} ${times === 1 ? "team" : "teams"})`,
    })),
    teams: { count, named },
  });
}

function countProblem(problems: Map<string, { readonly problem: ProblemItem; teams: number }>, problem: ProblemItem) {
  const key = JSON.stringify([problem.path, problem.message]);
  const known = problems.get(key);
  if (known !== undefined) known.teams += 1;
  else if (problems.size < PROBLEMS_MAX) problems.set(key, { problem, teams: 1 });
}
