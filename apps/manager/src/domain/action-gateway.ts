import { actionResponseSchema, Failure, problemItemSchema } from "@plugboard/contract";
import { z } from "zod";
import { compileSchema } from "./json-schema.ts";
import { unknownPlugin } from "./plugin-service.ts";
import type { PluginAnswer, PluginCalls, TeamStore } from "./ports.ts";
import type { JsonObject } from "./records.ts";
import { PROBLEMS_MAX } from "./storable-json.ts";
import { assertEnabled } from "./team-service.ts";

/** How long an action may take unless said, milliseconds. */
const ACTION_MS_USUAL = 10_000;
/** Characters of a plugin's own words that are passed on. */
const DETAIL_LENGTH_MAX = 1_000;

/** A plugin's problem document, as far as it is passed on. */
const problemSchema = z.object({
  code: z.string(),
  detail: z.string().default(""),
  problems: z.array(problemItemSchema).max(PROBLEMS_MAX).default([]),
});

/**
 * Calls a plugin's action for a team. Leases are not asked: they are a hint, and only a failed call says "down".
 * Never repeated: an action whose answer was lost may have had its effect.
 */
export class ActionGateway {
  readonly #teams: TeamStore;
  readonly #calls: PluginCalls;
  readonly #deadlineMs: number;

  constructor(dependencies: { teams: TeamStore; calls: PluginCalls; deadlineMs?: number | undefined }) {
    this.#teams = dependencies.teams;
    this.#calls = dependencies.calls;
    this.#deadlineMs = dependencies.deadlineMs ?? ACTION_MS_USUAL;
  }

  async run(team: string, plugin: string, name: string, input: JsonObject): Promise<unknown> {
    const pair = await this.#teams.find(team, plugin);
    if (pair === null) throw unknownPlugin(plugin);
    assertEnabled(pair);
    const action = pair.plugin.actions.find((candidate) => candidate.name === name);
    if (action === undefined) throw new Failure("not-found", `plugin "${plugin}" has no action "${name}"`);
    const problems = compileSchema(action.input).problems(input);
    if (problems.length > 0)
      throw new Failure("invalid-action-input", `body: ${problems.length} problem(s)`, { problems });
    if (pair.plugin.status === "disabled") throw new Failure("plugin-down", `plugin "${plugin}" is in maintenance`);
    const target = { plugin, url: pair.plugin.url, path: `/actions/${name}` };
    const answer = await this.#calls.post(target, { team, input }, { deadlineMs: this.#deadlineMs });
    return outputOf(plugin, answer);
  }
}

/** @throws the Failure that the plugin's answer, or its absence, means for the team. */
function outputOf(plugin: string, answer: PluginAnswer): unknown {
  switch (answer.kind) {
    case "unreachable":
      throw new Failure("plugin-down", `plugin "${plugin}": ${answer.error}`);
    case "late":
      throw new Failure("plugin-late", `plugin "${plugin}": ${answer.error}`);
    case "unreadable":
      throw new Failure("plugin-failed", `plugin "${plugin}": ${answer.error}`);
    case "answered": {
      const output = answer.status === 200 ? actionResponseSchema.safeParse(answer.body) : null;
      if (output?.success === true) return { output: output.data.output ?? null };
      throw answer.status === 200
        ? new Failure("plugin-failed", `plugin "${plugin}" answered 200 without an output`)
        : refusal(plugin, answer.status, answer.body);
    }
    default:
      throw answer satisfies never;
  }
}

/** What concerns the team's input or settings is passed on as such; everything else is the plugin's failure. */
function refusal(plugin: string, status: number, body: unknown): Failure {
  const parsed = problemSchema.safeParse(body);
  if (!parsed.success) return new Failure("plugin-failed", `plugin "${plugin}" answered ${status}`);
  const { code, problems } = parsed.data;
  const detail = `plugin "${plugin}": ${parsed.data.detail.slice(0, DETAIL_LENGTH_MAX)}`;
  if (code === "invalid-input") return new Failure("invalid-action-input", detail, { problems });
  if (code === "not-configured" || code === "plugin-late") return new Failure(code, detail, { problems });
  if (code === "unavailable") return new Failure("plugin-down", detail);
  return new Failure("plugin-failed", detail, { problems });
}
