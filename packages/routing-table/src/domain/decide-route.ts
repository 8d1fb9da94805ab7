import type { EventAttributes, PluginEntry, TeamRoute } from "@plugboard/contract";
import { LRUCache } from "lru-cache";
import { type CompileResult, compileFilter } from "./compile-filter.ts";

/** Why an enabled plugin does not get an event. A plugin that is not enabled has no route to decide about. */
export type UnmatchedReason =
  | "deregistered"
  | "not-subscribed"
  | "sync-only"
  | "async-only"
  | "form"
  | "not-configured"
  | "maintenance"
  | "filter"
  | "filter-error";

export type RouteDecision =
  | { readonly kind: "routed" }
  | { readonly kind: "unmatched"; readonly reason: UnmatchedReason; readonly detail?: string };

export interface RouteQuestion {
  readonly route: TeamRoute;
  /** The plugin's own entry; undefined when the manager knows none such. */
  readonly plugin: PluginEntry | undefined;
  readonly event: EventAttributes;
  /** The payload; called only when the route has a filter and everything else fits. May throw on a value that is not JSON. */
  readonly data: () => object;
  /** `async` is the way through Kafka, `sync` the one inside the submit. */
  readonly path: "async" | "sync";
}

const ROUTED: RouteDecision = { kind: "routed" };

/**
 * Whether one of a team's enabled plugins gets an event; the same answer for the router, the sync path and a trial.
 *
 * The first reason in this order is given, from what is true for every team to what costs a parse:
 *   deregistered → not-subscribed → sync-only / async-only → form → not-configured → maintenance → filter
 * `not-configured` stands behind the ones before it because such an event can be back-filled once the settings are
 * applied, and those that would not have matched anyway cannot. `maintenance` holds back the sync path alone: by Kafka
 * the event waits in the plugin's topic.
 */
export function decideRoute({ route, plugin, event, data, path }: RouteQuestion): RouteDecision {
  if (plugin === undefined || plugin.state === "deregistered") return unmatched("deregistered");
  if (!plugin.events.includes(event.type)) return unmatched("not-subscribed");
  if (path === "async" && route.mode === "sync") return unmatched("sync-only");
  if (path === "sync" && (route.mode === "async" || plugin.sync === null)) return unmatched("async-only");
  if (route.forms !== null && (event.formId === null || !route.forms.includes(event.formId))) return unmatched("form");
  if (!route.ready) return unmatched("not-configured");
  if (path === "sync" && plugin.state === "disabled") return unmatched("maintenance");
  if (route.filter === null) return ROUTED;
  return decideByFilter(route.filter, event, data);
}

function decideByFilter(expression: string, event: EventAttributes, data: () => object): RouteDecision {
  const compiled = compiledFilter(expression);
  if (!compiled.ok) return unmatched("filter-error", `the filter does not compile: ${compiled.problem.message}`);
  let payload: object;
  try {
    payload = data();
  } catch (error) {
    return unmatched("filter-error", `the payload cannot be read: ${(error as Error).message}`);
  }
  const result = compiled.filter.matches({ event, data: payload });
  switch (result.kind) {
    case "match":
      return ROUTED;
    case "no-match":
      return unmatched("filter");
    case "error":
      return unmatched("filter-error", result.message);
    default:
      return result satisfies never;
  }
}

/** Compiled expressions kept, and their characters: a syntax tree takes up to 250 bytes for each, so 75 MB at worst. */
const COMPILED_MAX = 1_000;
const COMPILED_CHARACTERS_MAX = 300_000;
const compiledFilters = new LRUCache<string, CompileResult>({
  max: COMPILED_MAX,
  maxSize: COMPILED_CHARACTERS_MAX,
  sizeCalculation: (_compiled, expression) => 1 + expression.length,
});

function compiledFilter(expression: string): CompileResult {
  const known = compiledFilters.get(expression);
  if (known !== undefined) return known;
  const compiled = compileFilter(expression);
  compiledFilters.set(expression, compiled);
  return compiled;
}

/** Made once per reason: this runs for every enabled plugin of every event. */
const UNMATCHED: Readonly<Record<UnmatchedReason, RouteDecision>> = {
  deregistered: { kind: "unmatched", reason: "deregistered" },
  "not-subscribed": { kind: "unmatched", reason: "not-subscribed" },
  "sync-only": { kind: "unmatched", reason: "sync-only" },
  "async-only": { kind: "unmatched", reason: "async-only" },
  form: { kind: "unmatched", reason: "form" },
  "not-configured": { kind: "unmatched", reason: "not-configured" },
  maintenance: { kind: "unmatched", reason: "maintenance" },
  filter: { kind: "unmatched", reason: "filter" },
  "filter-error": { kind: "unmatched", reason: "filter-error" },
};

function unmatched(reason: UnmatchedReason, detail?: string): RouteDecision {
  return detail === undefined ? UNMATCHED[reason] : { kind: "unmatched", reason, detail };
}
