import type { EventAttributes, Lane, PluginEntry, TeamRoute } from "@plugboard/contract";
import { chooseLane, decideRoute, type ResolvedTeam, type UnmatchedReason } from "@plugboard/routing-table";
import { type PlannedRoute, PlannedTeam } from "./planned-team.ts";
import { type Admission, NO_QUOTAS } from "./quotas.ts";

/*
 *  core ─submit─► manager /v1/process ─► sync plugins /execute        (in the request; verdicts appended)
 *    └─emit─► `responses` ─► kafka-source ─► decode ─► routing-table ─► route-event ─► kafka-sink ─► `plugin.<id>`
 *                                │ malformed                                │ urgent ─► `plugin.<id>.priority`
 *                                ▼                                          │ over quota, history
 *                           `responses.dlq`                                 ▼
 *                                                                     `plugin.<id>.bulk`
 *    `plugin.<id>…` ─► SDK consumer ─► fair queue ─► attempt(identity, deadline) ─► handler ─► outcome ─► `deliveries`
 *                                                       │ retry later          │ given up
 *                                                       ▼                      ▼
 *                                            due-time table (plugin's DB)   `plugin.<id>.dlq`
 */

/** Why an event goes to nobody at all: its team never enabled a plugin, or has none enabled now. */
type NobodyReason = "unknown-team" | "disabled";

/** What becomes of an event at one of its team's enabled plugins. */
type RouteOutcome =
  | {
      readonly kind: "copy";
      readonly plugin: string;
      readonly lane: Lane;
      /** Its lane is `bulk` for no other reason. */
      readonly overQuota: boolean;
    }
  | { readonly kind: "unmatched"; readonly plugin: string; readonly reason: Exclude<UnmatchedReason, "filter-error"> }
  | {
      readonly kind: "filter-error";
      readonly plugin: string;
      readonly detail: string;
    };

export type EventRouting =
  | { readonly kind: "nobody"; readonly reason: NobodyReason }
  /** An outcome for each route. */
  | { readonly kind: "team"; readonly routes: readonly PlannedRoute[]; readonly outcomes: readonly RouteOutcome[] };

const UNKNOWN_TEAM: EventRouting = { kind: "nobody", reason: "unknown-team" };
const NONE_ENABLED: EventRouting = { kind: "nobody", reason: "disabled" };

/**
 * Decides for every enabled plugin of the event's team. Pure; each plugin is decided on its own, in the table's order.
 * @param resolved the team's part of the routing table; null when the manager knows no such team.
 * @param data the event's payload; parsed only when a route has a filter.
 * @param quotas asked about copies that are to go live or urgent, of routes with a quota.
 */
export function routeEvent(
  event: EventAttributes,
  data: () => object,
  resolved: ResolvedTeam | null | undefined,
  quotas: Admission = NO_QUOTAS,
): EventRouting {
  if (resolved === null || resolved === undefined) return UNKNOWN_TEAM;
  const { routes } = PlannedTeam.of(resolved);
  if (routes.length === 0) return NONE_ENABLED;
  const outcomes = routes.map(({ route, plugin }): RouteOutcome => {
    const decision = decideRoute({ route, plugin, event, data, path: "async" });
    if (decision.kind === "unmatched" && decision.reason !== "filter-error")
      return { kind: "unmatched", plugin: route.id, reason: decision.reason };
    return decision.kind === "routed"
      ? // Nothing is routed to a plugin that is not known.
        copyOf(event, route, plugin as PluginEntry, quotas)
      : { kind: "filter-error", plugin: route.id, detail: decision.detail ?? "" };
  });
  return { kind: "team", routes, outcomes };
}

/** Over quota wins over urgent; history uses nothing of the quota up, for it is in the bulk lane anyway. */
function copyOf(
  event: EventAttributes,
  { id, quota }: TeamRoute,
  plugin: PluginEntry,
  quotas: Admission,
): RouteOutcome {
  const lane = chooseLane(event, plugin);
  const overQuota = quota !== null && lane !== "bulk" && !quotas.admits(event.teamId, id, quota);
  return { kind: "copy", plugin: id, lane: overQuota ? "bulk" : lane, overQuota };
}
