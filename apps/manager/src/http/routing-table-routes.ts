import { rebuildResponseSchema, routingTableViewSchema } from "@plugboard/contract";
import type { RoutingTableService } from "../domain/routing-table-service.ts";
import { type Route, route } from "./route.ts";
import { noParams, noQuery } from "./route-inputs.ts";

/** The routing table as a whole, for operators. */
export function routingTableRoutes(use: { routingTable: RoutingTableService }): Route[] {
  return [
    route({
      method: "get",
      path: "/v1/routing-table",
      operationId: "readRoutingTable",
      tag: "platform",
      summary: "What is stored of the routing table, and what Redis has of it",
      description: "They differ for moments while a change is relayed; a difference that stays is a fault.",
      roles: [],
      params: noParams,
      query: noQuery,
      answers: { 200: routingTableViewSchema },
      handle: async () => ({ status: 200, body: await use.routingTable.view() }),
    }),
    route({
      method: "post",
      path: "/v1/routing-table/rebuild",
      operationId: "rebuildRoutingTable",
      tag: "platform",
      summary: "Write the routing table in Redis anew",
      description:
        "From what is stored, whatever versions Redis has, and under a new epoch: for after a backup was restored. Routing goes on meanwhile; readers ask the manager until it is done.",
      failures: ["conflict", "unavailable"],
      roles: [],
      params: noParams,
      query: noQuery,
      answers: { 200: rebuildResponseSchema },
      handle: async () => ({ status: 200, body: await use.routingTable.rebuild() }),
    }),
  ];
}
