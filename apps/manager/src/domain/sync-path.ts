import {
  attributesOfFlat,
  type EventAttributes,
  type ExecuteRequest,
  executeResponseSchema,
  Failure,
  type PluginEntry,
  type ProcessResponse,
  type ProcessResult,
  type processRequestSchema,
  type TeamRoute,
} from "@plugboard/contract";
import type { Clock } from "@plugboard/runtime";
import type { z } from "zod";
import { unusable } from "./plugin-answer.ts";
import type { DecideSync, PluginAnswer, PluginCalls, RouteLookup } from "./ports.ts";

export type ProcessBody = z.output<typeof processRequestSchema>;

/** How long the routes may take to be found, milliseconds; the core is waiting with a person behind it. */
const LOOKUP_MS_MAX = 2_000;

/**
 * The sync path: asks a team's sync plugins about a response before the core stores it, all at once and each within its
 * own deadline (at most ten seconds, so that bounds the whole). Nothing is repeated: the person waits, and the event
 * follows by Kafka anyway.
 *
 *   rejected by anyone                                  → not accepted
 *   failed, timed out, unavailable with onFailure closed → not accepted
 *   everything else                                      → accepted, with what was said
 */
export class SyncPath {
  readonly #routes: RouteLookup;
  readonly #decide: DecideSync;
  readonly #calls: PluginCalls;
  readonly #clock: Clock;
  readonly #flatSource: string;

  /** @param dependencies.flatSource `source` of events that name none; the core's own events carry theirs. */
  constructor(dependencies: {
    routes: RouteLookup;
    decide: DecideSync;
    calls: PluginCalls;
    clock: Clock;
    flatSource: string;
  }) {
    this.#routes = dependencies.routes;
    this.#decide = dependencies.decide;
    this.#calls = dependencies.calls;
    this.#clock = dependencies.clock;
    this.#flatSource = dependencies.flatSource;
  }

  /** @param signal aborted when the core no longer waits. */
  async process(body: ProcessBody, signal: AbortSignal): Promise<ProcessResponse> {
    const routes = await this.#lookUp(body.team_id, signal);
    if (routes === null) return { accepted: true, results: [] };
    const event = attributesOfFlat(body, this.#flatSource);
    const asked = await Promise.all(
      routes.team.plugins.map(async (route) => {
        const result = await this.#ask(route, routes.plugins.get(route.id), event, body, signal);
        return result === null ? [] : [{ route, result }];
      }),
    );
    const answers = asked.flat();
    return {
      accepted: answers.every(({ route, result }) => acceptable(route, result)),
      results: answers.map(({ result }) => result),
    };
  }

  async #lookUp(team: string, signal: AbortSignal): ReturnType<RouteLookup["resolve"]> {
    try {
      return await this.#routes.resolve(team, AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_MS_MAX)]));
    } catch (error) {
      throw new Failure("unavailable", "neither Redis nor Postgres tells the team's plugins", { cause: error });
    }
  }

  /** @returns null when the plugin has no say in this event. */
  async #ask(
    route: TeamRoute,
    plugin: PluginEntry | undefined,
    event: EventAttributes,
    body: ProcessBody,
    signal: AbortSignal,
  ): Promise<ProcessResult | null> {
    const decision = this.#decide({ route, plugin, event, data: body.data });
    switch (decision.kind) {
      case "excused":
        return null;
      case "undecidable":
        return without(route.id, "failed", `the team's filter could not be evaluated: ${decision.error}`);
      case "maintenance":
        return route.onFailure === "open" ? null : without(route.id, "unavailable", "the plugin is in maintenance");
      case "asked":
        return plugin?.sync ? await this.#call(route.id, plugin.sync, body, signal) : null;
      default:
        return decision satisfies never;
    }
  }

  async #call(
    plugin: string,
    { url, deadlineMs }: NonNullable<PluginEntry["sync"]>,
    event: ProcessBody,
    signal: AbortSignal,
  ): Promise<ProcessResult> {
    const startedAt = this.#clock.monotonic();
    const request: ExecuteRequest = { event };
    const answer = await this.#calls.post({ plugin, url, path: "/execute" }, request, { deadlineMs, signal });
    return { ...resultOf(plugin, answer), durationMs: Math.round(this.#clock.monotonic() - startedAt) };
  }
}

function resultOf(plugin: string, answer: PluginAnswer): ProcessResult {
  switch (answer.kind) {
    case "late":
      return without(plugin, "timed-out", answer.error);
    case "unreachable":
      return without(plugin, "unavailable", answer.error);
    case "unreadable":
      return without(plugin, "failed", answer.error);
    case "answered": {
      if (answer.status !== 200) return without(plugin, "failed", unusable(answer));
      const verdict = executeResponseSchema.safeParse(answer.body);
      if (!verdict.success) return without(plugin, "failed", "its answer is no verdict");
      const { outcome, flags, output } = verdict.data;
      return { plugin, outcome, flags, ...(output === undefined ? {} : { output }), error: null, durationMs: 0 };
    }
    default:
      return answer satisfies never;
  }
}

function without(plugin: string, outcome: ProcessResult["outcome"], error: string): ProcessResult {
  return { plugin, outcome, flags: [], error, durationMs: 0 };
}

function acceptable(route: TeamRoute, { outcome }: ProcessResult): boolean {
  switch (outcome) {
    case "passed":
    case "flagged":
      return true;
    case "rejected":
      return false;
    case "failed":
    case "timed-out":
    case "unavailable":
      return route.onFailure === "open";
    default:
      return outcome satisfies never;
  }
}
