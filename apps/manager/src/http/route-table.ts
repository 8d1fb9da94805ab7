import { gatewayRoutes } from "./gateway-routes.ts";
import { platformRoutes } from "./platform-routes.ts";
import { pluginRoutes } from "./plugin-routes.ts";
import type { Route } from "./route.ts";
import { routingTableRoutes } from "./routing-table-routes.ts";
import { teamRoutes } from "./team-routes.ts";
import { trialRoutes } from "./trial-routes.ts";

/** What each group of routes works with. */
export interface RouteServices {
  readonly registry: Parameters<typeof pluginRoutes>[0];
  readonly teams: Parameters<typeof teamRoutes>[0];
  readonly trial: Parameters<typeof trialRoutes>[0];
  readonly gateway: Parameters<typeof gatewayRoutes>[0];
  readonly platform: Parameters<typeof platformRoutes>[0];
  readonly routingTable: Parameters<typeof routingTableRoutes>[0];
}

/** Every route of the manager. The server, its description and the description's copy in docs/ are built from this. */
export function routeTable(use: RouteServices): Route[] {
  return [
    ...pluginRoutes(use.registry),
    ...teamRoutes(use.teams),
    ...trialRoutes(use.trial),
    ...gatewayRoutes(use.gateway),
    ...platformRoutes(use.platform),
    ...routingTableRoutes(use.routingTable),
  ];
}
