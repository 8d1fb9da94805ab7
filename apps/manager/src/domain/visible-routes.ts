import type { RoutesResponse } from "@plugboard/contract";
import type { Principal } from "./access.ts";
import type { RoutesQuery } from "./ports.ts";

/** What a caller may see of the routes: a plugin its own ones only, everything else as if it were not there. */
export function routesVisibleTo(principal: Principal, request: RoutesQuery, routes: RoutesResponse): RoutesResponse {
  if (principal.role !== "plugin") return routes;
  const own = principal.subject;
  return {
    teams: Object.fromEntries(
      Object.entries(routes.teams).map(([team, entry]) => [
        team,
        entry && { ...entry, plugins: entry.plugins.filter(({ id }) => id === own) },
      ]),
    ),
    plugins: Object.fromEntries(request.plugins.map((id) => [id, id === own ? (routes.plugins[id] ?? null) : null])),
  };
}
