import { enablementSchema, settingsSchema, teamPluginViewSchema, teamQuotaSchema } from "@plugboard/contract";
import { z } from "zod";
import type { PluginService } from "../domain/plugin-service.ts";
import type { TeamPluginPair } from "../domain/ports.ts";
import type { TeamService } from "../domain/team-service.ts";
import { type Route, route } from "./route.ts";
import { noQuery, page, pageQuery, teamParams, teamPluginParams } from "./route-inputs.ts";
import { teamPluginView } from "./views.ts";

const SETTINGS_BYTES_MAX = 256 * 1024;
/** Up to 1,000 form ids of 128 characters, and a filter. */
const ENABLEMENT_BYTES_MAX = 256 * 1024;

/** Routes of a team: its view of the plugins, and what it decides about them. */
export function teamRoutes(use: { teams: TeamService; plugins: PluginService }): Route[] {
  const { teams, plugins } = use;
  const viewOf = async (pair: TeamPluginPair) => teamPluginView(pair, await plugins.liveness([pair.plugin.id]));
  const routed = teamPluginViewSchema.extend({ routing: z.enum(["current", "pending"]) });
  return [
    route({
      method: "get",
      path: "/v1/teams/{team}/plugins",
      summary: "The plugins a team may use, and what it has decided about them",
      roles: ["team"],
      params: teamParams,
      query: pageQuery,
      answers: { 200: z.object({ items: z.array(teamPluginViewSchema), next: z.string().nullable() }) },
      async handle({ path, query }) {
        const pairs = await teams.list(path.team, { after: query.after ?? null, limit: query.limit });
        const liveness = await plugins.liveness(pairs.map(({ plugin }) => plugin.id));
        const body = page(
          pairs,
          query,
          ({ plugin }) => plugin.id,
          (pair) => teamPluginView(pair, liveness),
        );
        return { status: 200, body };
      },
    }),
    route({
      method: "get",
      path: "/v1/teams/{team}/plugins/{plugin}",
      summary: "One plugin as the team sees it",
      roles: ["team"],
      params: teamPluginParams,
      query: noQuery,
      answers: { 200: teamPluginViewSchema },
      handle: async ({ path }) => ({ status: 200, body: await viewOf(await teams.find(path.team, path.plugin)) }),
    }),
    route({
      method: "put",
      path: "/v1/teams/{team}/plugins/{plugin}",
      summary: "Enable, narrow or disable a plugin; 202 when routers do not know it yet",
      roles: ["team"],
      params: teamPluginParams,
      query: noQuery,
      body: enablementSchema,
      bodyBytesMax: ENABLEMENT_BYTES_MAX,
      answers: { 200: routed, 202: routed },
      async handle({ path, body }) {
        const { pair, routing } = await teams.enable(path.team, path.plugin, body);
        return { status: routing === "current" ? 200 : 202, body: { ...(await viewOf(pair)), routing } };
      },
    }),
    route({
      method: "put",
      path: "/v1/teams/{team}/plugins/{plugin}/config",
      summary: "Configure an enabled plugin; the plugin itself decides later: applied or refused",
      roles: ["team"],
      params: teamPluginParams,
      query: noQuery,
      body: settingsSchema,
      bodyBytesMax: SETTINGS_BYTES_MAX,
      answers: { 202: teamPluginViewSchema },
      async handle({ path, body }) {
        return { status: 202, body: await viewOf(await teams.configure(path.team, path.plugin, body)) };
      },
    }),
    route({
      method: "put",
      path: "/v1/teams/{team}/quota",
      summary: "Events per second of a team; null lifts the limit",
      roles: [],
      params: teamParams,
      query: noQuery,
      body: teamQuotaSchema,
      answers: { 200: z.unknown(), 202: z.unknown() },
      async handle({ path, body }) {
        const routing = await teams.setQuota(path.team, body.quota);
        return { status: routing === "current" ? 200 : 202, body: { team: path.team, quota: body.quota, routing } };
      },
    }),
  ];
}
