import type {
  FilterProblem,
  Lane,
  Quota,
  RoutesResponse,
  TeamRoute,
  TrialCheck,
  TrialResponse,
} from "@plugboard/contract";
import { type ExplainedEvaluation, type ExplainedRoute, explainRoute, ROUTE_CHECKS } from "@plugboard/routing-table";
import type { FilterCheck, RoutingStore, RoutingTableWriter, TeamPluginPair, TopicStore } from "./ports.ts";
import { buildTeamEntry, pluginKey, teamKey } from "./routing-entries.ts";
import { readSample, type TrialBody } from "./sample-event.ts";
import { draftProblems, newRow } from "./team-service.ts";
import { failedText, passedText, type TrialSubject } from "./trial-texts.ts";

type Readers = TrialResponse["table"]["readers"];

/**
 * Tells what would become of a sample event at one of a team's plugins, and why. Decides nothing itself: the sample is
 * read by `readEventRecord` and decided by `decideRoute`, as routers do, on the entries that are stored for them.
 */
export class RouteTrial {
  readonly #routing: Pick<RoutingStore, "routes">;
  readonly #table: Pick<RoutingTableWriter, "versions">;
  readonly #topics: Pick<TopicStore, "namesOf">;
  readonly #checkFilter: FilterCheck;
  readonly #deadLetters: string;
  readonly #flatSource: string;

  constructor(dependencies: {
    routing: Pick<RoutingStore, "routes">;
    table: Pick<RoutingTableWriter, "versions">;
    topics: Pick<TopicStore, "namesOf">;
    checkFilter: FilterCheck;
    /** Name of the topic that records which are no events go to. */
    deadLetters: string;
    /** `source` of flat events that name none. */
    flatSource: string;
  }) {
    this.#routing = dependencies.routing;
    this.#table = dependencies.table;
    this.#topics = dependencies.topics;
    this.#checkFilter = dependencies.checkFilter;
    this.#deadLetters = dependencies.deadLetters;
    this.#flatSource = dependencies.flatSource;
  }

  /** @param pair the team's row for the plugin, as far as there is one. */
  async run(team: string, pair: TeamPluginPair, body: TrialBody): Promise<TrialResponse> {
    const plugin = pair.plugin.id;
    const stored = await this.#routing.routes({ teams: [team], plugins: [plugin] });
    const table = await this.#tableOf(team, plugin, stored);
    const enabledRoute = stored.teams[team]?.plugins.find(({ id }) => id === plugin);
    const route = withDraft(enabledRoute ?? routeOf(team, pair), body.draft);
    const enabled = body.draft?.enabled ?? enabledRoute !== undefined;
    const sample = readSample(body, this.#flatSource);
    const entry = stored.plugins[plugin] ?? undefined;
    const explained =
      sample.kind === "malformed"
        ? null
        : explainRoute({ route, plugin: entry, event: sample.attributes, data: sample.data, path: body.path });
    const subject: TrialSubject = {
      team,
      pair,
      route,
      answersSync: (entry?.sync ?? null) !== null,
      path: body.path,
      sample,
      filter: explained?.filter ?? null,
      detail: explained?.decision.kind === "unmatched" ? explained.decision.detail : undefined,
      deadLetters: this.#deadLetters,
    };
    const checks = checksOf(subject, enabled, explained);
    const reason = checks.find(({ result }) => result === "failed")?.reason ?? null;
    const outcome = sample.kind === "malformed" ? "malformed" : reason === null ? "routed" : "not-routed";
    // A draft may enable what is not enabled, but a sample of another team stays one.
    const lane = outcome === "routed" ? (explained?.lane ?? null) : null;
    const topic = lane === null ? null : this.#topics.namesOf(plugin)[lane];
    return {
      team,
      plugin,
      path: body.path,
      outcome,
      routed: outcome === "routed",
      reason,
      explanation: summary(subject, checks, laneText(topic, lane, route.quota), table, body.draft !== undefined),
      destination: body.path === "async" && outcome === "malformed" ? this.#deadLetters : topic,
      lane,
      quota: body.path === "sync" ? null : route.quota,
      problems: sample.kind === "malformed" ? [...sample.problems] : [],
      checks,
      filter:
        route.filter === null
          ? null
          : { expression: route.filter, problem: filterProblem(route.filter, subject.filter) },
      event: sample.kind === "malformed" ? null : { envelope: sample.envelope, ...sample.attributes },
      draft: body.draft === undefined ? null : { problems: draftProblems(body.draft, pair.plugin, this.#checkFilter) },
      table,
    };
  }

  async #tableOf(team: string, plugin: string, stored: RoutesResponse): Promise<TrialResponse["table"]> {
    const versions = [stored.teams[team]?.v ?? null, stored.plugins[plugin]?.v ?? null] as const;
    const readers = await this.#readers([...versions], [teamKey(team), pluginKey(plugin)]);
    return { team: versions[0], plugin: versions[1], readers, explanation: READERS[readers] };
  }

  /** Whether Redis, which routers read, has the versions that are stored. */
  async #readers(
    stored: readonly (number | null)[],
    keys: Parameters<RoutingTableWriter["versions"]>[0],
  ): Promise<Readers> {
    const found = await this.#table.versions(keys).catch(() => null);
    if (found === null || found.epoch === null) return "unknown";
    return found.versions.every((version, index) => version === stored[index]) ? "current" : "pending";
  }
}

const READERS: Readonly<Record<Readers, string>> = {
  current: "The routers have what is stored.",
  pending: "The latest change is stored and not yet relayed: until it is, the routers decide as before it.",
  unknown: "Redis does not tell what the routers have; those that cannot read it ask the manager.",
};

/** The route as it would be if the team enabled the plugin now. */
function routeOf(team: string, { plugin, row }: TeamPluginPair): TeamRoute {
  const { plugins } = buildTeamEntry([{ ...(row ?? newRow(team, plugin)), enabled: true }], null);
  return plugins[0] as TeamRoute;
}

function withDraft(route: TeamRoute, draft: TrialBody["draft"]): TeamRoute {
  if (draft === undefined) return route;
  return {
    ...route,
    forms: draft.forms === undefined ? route.forms : draft.forms,
    filter: draft.filter === undefined ? route.filter : draft.filter,
    mode: draft.mode ?? route.mode,
    onFailure: draft.onFailure ?? route.onFailure,
  };
}

/** First what the router asks before `decideRoute`: is it an event, and whose; does its team have the plugin? */
function checksOf(subject: TrialSubject, enabled: boolean, explained: ExplainedRoute | null): TrialCheck[] {
  const { sample, team } = subject;
  const own: [TrialCheck["check"], TrialCheck["reason"]][] = [
    ["event", sample.kind === "malformed" ? sample.reason : null],
    ["team", sample.kind === "event" && sample.attributes.teamId !== team ? "other-team" : null],
    ["enabled", enabled ? null : "disabled"],
  ];
  const first = own.map(([check, reason]): TrialCheck => {
    const skipped = sample.kind === "malformed" && check === "team";
    return told(subject, check, reason !== null ? "failed" : skipped ? "skipped" : "passed", reason);
  });
  const others =
    explained?.checks ?? ROUTE_CHECKS.map((check) => ({ check, result: "skipped" as const, reason: null }));
  return [...first, ...others.map(({ check, result, reason }) => told(subject, check, result, reason))];
}

function told(
  subject: TrialSubject,
  check: TrialCheck["check"],
  result: TrialCheck["result"],
  reason: TrialCheck["reason"],
): TrialCheck {
  const explanation =
    reason !== null
      ? failedText(reason, subject)
      : result === "passed"
        ? passedText(check, subject)
        : "Not asked, because of what failed before it.";
  return { check, result, reason, explanation };
}

function summary(
  subject: TrialSubject,
  checks: readonly TrialCheck[],
  lane: LaneText,
  { readers, explanation }: TrialResponse["table"],
  isDraft: boolean,
): string {
  const { pair, path } = subject;
  const [failed, ...others] = checks.filter(({ result }) => result === "failed");
  const waits = pair.plugin.status === "disabled" ? ", and waits there until its maintenance is over" : "";
  const routed =
    path === "async"
      ? `It would be routed: ${pair.plugin.id} gets it in the topic ${lane.place}${waits}.${lane.quota}`
      : `${pair.plugin.id} would be asked inside the submit.`;
  const more =
    others.length === 0 ? "" : ` After that, it would still fail: ${others.map(({ check }) => check).join(", ")}.`;
  const verdict = failed === undefined ? routed : `${failed.explanation}${more}`;
  return `${isDraft ? "With the draft: " : ""}${verdict}${readers === "pending" ? ` ${explanation}` : ""}`;
}

interface LaneText {
  readonly place: string;
  readonly quota: string;
}

const LANE_TEXTS: Readonly<Record<Lane, string>> = {
  priority: ", the lane of what is urgent",
  live: "",
  bulk: ", the lane of what is imported or replayed",
};

function laneText(topic: string | null, lane: Lane | null, quota: Quota | null): LaneText {
  const limited = quota !== null && lane !== "bulk";
  return {
    place: `${topic}${lane === null ? "" : LANE_TEXTS[lane]}`,
    quota: limited
      ? ` The team has a quota of ${quota.eventsPerSecond} events a second (burst ${quota.burst}): over it, the event would take the bulk lane.`
      : "",
  };
}

function filterProblem(expression: string, explained: ExplainedEvaluation | null): FilterProblem | null {
  switch (explained?.kind) {
    case undefined:
    case "value":
      return null;
    case "invalid": {
      const { message, line, column } = explained.problem;
      const excerpt = excerptOf(expression, line, column, column + 1);
      return { reason: "does-not-compile", message, line, column, excerpt, missing: null, present: null };
    }
    case "problem": {
      const { reason, message, place, missing, present } = explained;
      const excerpt = place === null ? null : excerptOf(expression, place.line, place.column, place.endColumn);
      return {
        reason,
        message,
        line: place?.line ?? null,
        column: place?.column ?? null,
        excerpt,
        missing,
        present: present === null ? null : [...present],
      };
    }
    default:
      return explained satisfies never;
  }
}

/** The line with carets under the place; both are as long as the filter at most. */
function excerptOf(expression: string, line: number, column: number, endColumn: number): string {
  const text = expression.split("\n")[line - 1] ?? "";
  return `${text}\n${" ".repeat(column - 1)}${"^".repeat(Math.max(1, endColumn - column))}`;
}
