import {
  routesRequestSchema,
  routesResponseSchema,
  tokenRequestSchema,
  tokenResponseSchema,
} from "@plugboard/contract";
import type { Principal, Tokens } from "../domain/access.ts";
import type { RoutingStore } from "../domain/ports.ts";
import { routesVisibleTo } from "../domain/visible-routes.ts";
import { type Route, route } from "./route.ts";
import { noParams, noQuery } from "./route-inputs.ts";

/** 2,000 ids of 64 characters and their quotes. */
const ROUTES_BYTES_MAX = 256 * 1024;
/** A year. */
const TOKEN_SECONDS_USUAL = 31_536_000;

/** Routes of the platform's own parts: routers, and whoever hands out credentials. */
export function platformRoutes(use: { routing: RoutingStore; tokens: Tokens }): Route[] {
  return [
    route({
      method: "post",
      path: "/internal/routes",
      operationId: "readRoutes",
      tag: "platform",
      summary: "Routing entries, as Postgres has them",
      description: "For routers and plugins that cannot read the routing table in Redis. A plugin gets its own only.",
      roles: ["router", "plugin"],
      params: noParams,
      query: noQuery,
      body: routesRequestSchema,
      bodyBytesMax: ROUTES_BYTES_MAX,
      answers: { 200: routesResponseSchema },
      async handle({ body, principal }) {
        const plugins = visiblePlugins(body.plugins, principal);
        const routes = await use.routing.routes({ teams: body.teams, plugins });
        return { status: 200, body: routesVisibleTo(principal, body, routes) };
      },
    }),
    route({
      method: "post",
      path: "/v1/tokens",
      operationId: "makeToken",
      tag: "platform",
      summary: "Make a credential",
      description:
        "A token opens what its role and subject allow, until it expires. It cannot be taken back; a new signing key invalidates all of them. Whoever holds a plugin's token may register its url, and the manager calls that url: give plugin tokens only to those who may name addresses in the manager's network.",
      roles: [],
      params: noParams,
      query: noQuery,
      body: tokenRequestSchema,
      answers: { 201: tokenResponseSchema },
      async handle({ body }) {
        const seconds = body.expiresInSeconds ?? TOKEN_SECONDS_USUAL;
        const { token, expiresAt } = await use.tokens.mint(body.role, body.subject, seconds);
        return { status: 201, body: { token, expiresAt: expiresAt.toISOString() } };
      },
    }),
  ];
}

function visiblePlugins(ids: readonly string[], principal: Principal): string[] {
  return ids.filter((id) => principal.role !== "plugin" || id === principal.subject);
}
