import type { Lane, PluginEntry } from "@plugboard/contract";
import { type ExplainedEvaluation, explainEvaluation, variablesOf } from "@plugboard/rules";
import { chooseLane } from "./choose-lane.ts";
import { decideRoute, type RouteDecision, type RouteQuestion, type UnmatchedReason } from "./decide-route.ts";

/** What `decideRoute` asks, in its order. */
export const ROUTE_CHECKS = ["registered", "subscribed", "path", "form", "settings", "maintenance", "filter"] as const;
export type RouteCheck = (typeof ROUTE_CHECKS)[number];

/** Which check each reason is the failure of. */
const CHECK_OF: Readonly<Record<UnmatchedReason, RouteCheck>> = {
  deregistered: "registered",
  "not-subscribed": "subscribed",
  "sync-only": "path",
  "async-only": "path",
  form: "form",
  "not-configured": "settings",
  maintenance: "maintenance",
  filter: "filter",
  "filter-error": "filter",
};

export interface ExplainedCheck {
  readonly check: RouteCheck;
  /** `skipped`: an earlier failure leaves nothing to ask about. */
  readonly result: "passed" | "failed" | "skipped";
  /** Why it failed; null otherwise. */
  readonly reason: UnmatchedReason | null;
}

export interface ExplainedRoute {
  /** What `decideRoute` says of the question as it is. */
  readonly decision: RouteDecision;
  /** Every check, also those behind the first that failed, so that all of them can be put right at once. */
  readonly checks: readonly ExplainedCheck[];
  /** What the route's filter says of the event; null without a filter, or where the payload cannot be read. */
  readonly filter: ExplainedEvaluation | null;
  /** The lane it takes by Kafka while its team is within its quota; null when it is not routed, or not by Kafka. */
  readonly lane: Lane | null;
}

/**
 * Tells a person how `decideRoute` comes to its answer. Nothing is decided here: the same function is asked again with
 * what failed put right, until nothing fails any more.
 */
export function explainRoute(question: RouteQuestion): ExplainedRoute {
  const failures = new Map<RouteCheck, UnmatchedReason>();
  const decision = decideRoute(question);
  let next = decision;
  for (let asked = question; next.kind === "unmatched"; next = decideRoute(asked)) {
    failures.set(CHECK_OF[next.reason], next.reason);
    const better = putRight(asked, next.reason);
    if (better === null) break;
    asked = better;
  }
  const unregistered = question.plugin === undefined;
  return {
    decision,
    checks: ROUTE_CHECKS.map((check) => explained(check, failures.get(check) ?? null, unregistered)),
    filter: explainFilter(question),
    lane: laneOf(question, decision),
  };
}

function laneOf({ path, event, plugin }: RouteQuestion, { kind }: RouteDecision): Lane | null {
  return kind === "routed" && path === "async" && plugin !== undefined ? chooseLane(event, plugin) : null;
}

function explained(check: RouteCheck, reason: UnmatchedReason | null, unregistered: boolean): ExplainedCheck {
  if (reason !== null) return { check, result: "failed", reason };
  return { check, result: unregistered ? "skipped" : "passed", reason: null };
}

/** The question with one failure put right; null where there is nothing to put right, or nothing is asked after it. */
function putRight(question: RouteQuestion, reason: UnmatchedReason): RouteQuestion | null {
  const { route, plugin, event } = question;
  if (plugin === undefined) return null;
  const withPlugin = (change: Partial<PluginEntry>) => ({ ...question, plugin: { ...plugin, ...change } });
  switch (reason) {
    case "deregistered":
    case "maintenance":
      return withPlugin({ state: "enabled" });
    case "not-subscribed":
      return withPlugin({ events: [...plugin.events, event.type] });
    case "sync-only":
      return { ...question, route: { ...route, mode: "both" } };
    case "async-only":
      return { ...withPlugin({ sync: plugin.sync ?? NO_MATTER_WHERE }), route: { ...route, mode: "both" } };
    case "form":
      return { ...question, route: { ...route, forms: null } };
    case "not-configured":
      return { ...question, route: { ...route, ready: true } };
    case "filter":
    case "filter-error":
      return null;
    default:
      return reason satisfies never;
  }
}

/** Never called: it only stands for "the plugin answers inside the submit". */
const NO_MATTER_WHERE: NonNullable<PluginEntry["sync"]> = { url: "http://localhost", deadlineMs: 1 };

function explainFilter({ route, event, data }: RouteQuestion): ExplainedEvaluation | null {
  if (route.filter === null) return null;
  const payload = readable(data);
  return payload === null ? null : explainEvaluation(route.filter, variablesOf(event, payload));
}

/** A value that is no JSON is told by `decideRoute`. */
function readable(data: () => object): object | null {
  try {
    return data();
  } catch {
    return null;
  }
}
