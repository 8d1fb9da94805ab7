import {
  enablementSchema,
  settingsSchema,
  teamPluginQuotaSchema,
  teamPluginViewSchema,
  teamQuotaSchema,
} from "@plugboard/contract";
import type { PluginService } from "../domain/plugin-service.ts";
import type { TeamPluginPair } from "../domain/ports.ts";
import type { TeamService } from "../domain/team-service.ts";
import { pluginQuotaAnswer, quotaAnswer, routedTeamPlugin, teamPluginPage } from "./answers.ts";
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
  return [
    route({
      method: "get",
      path: "/v1/teams/{team}/plugins",
      operationId: "listTeamPlugins",
      tag: "teams",
      summary: "The plugins a team may use, and what it has decided about them",
      description: "By id, a page at a time.",
      roles: ["team"],
      params: teamParams,
      query: pageQuery,
      answers: { 200: teamPluginPage },
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
      operationId: "readTeamPlugin",
      tag: "teams",
      summary: "One plugin as the team sees it",
      description: "Never its url, its instances or its events; and no secret.",
      failures: ["not-found"],
      roles: ["team"],
      params: teamPluginParams,
      query: noQuery,
      answers: { 200: teamPluginViewSchema },
      handle: async ({ path }) => ({ status: 200, body: await viewOf(await teams.find(path.team, path.plugin)) }),
    }),
    route({
      method: "put",
      path: "/v1/teams/{team}/plugins/{plugin}",
      operationId: "enablePlugin",
      tag: "teams",
      summary: "Enable, narrow or disable a plugin",
      description:
        "200 when routers know the change, 202 when it is stored and they follow. A filter is an expression as docs/filters-and-rules.md describes it.",
      failures: ["not-found", "deregistered", "conflict", "invalid-filter"],
      roles: ["team"],
      params: teamPluginParams,
      query: noQuery,
      body: enablementSchema,
      bodyBytesMax: ENABLEMENT_BYTES_MAX,
      answers: { 200: routedTeamPlugin, 202: routedTeamPlugin },
      async handle({ path, body }) {
        const { pair, routing } = await teams.enable(path.team, path.plugin, body);
        return { status: routing === "current" ? 200 : 202, body: { ...(await viewOf(pair)), routing } };
      },
    }),
    route({
      method: "put",
      path: "/v1/teams/{team}/plugins/{plugin}/config",
      operationId: "configurePlugin",
      tag: "teams",
      summary: "Configure an enabled plugin",
      description:
        "Settings are checked against the plugin's schema and stored; the plugin itself decides later, and `settings.state` says what: pending, then applied or refused. They replace those before, except for secrets (writeOnly): one that is left out keeps its value, and one that is null is deleted, unless its schema takes null itself or requires it.",
      failures: ["not-found", "deregistered", "not-enabled", "conflict", "invalid-settings"],
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
      operationId: "limitTeam",
      tag: "teams",
      summary: "Limit the events per second of a team",
      description:
        "At each of its plugins on its own, but for those that have a limit of their own. null lifts it. 202 when routers do not know it yet.",
      roles: [],
      params: teamParams,
      query: noQuery,
      body: teamQuotaSchema,
      answers: { 200: quotaAnswer, 202: quotaAnswer },
      async handle({ path, body }) {
        const routing = await teams.setQuota(path.team, body.quota);
        return { status: routing === "current" ? 200 : 202, body: { team: path.team, quota: body.quota, routing } };
      },
    }),
    route({
      method: "put",
      path: "/v1/teams/{team}/plugins/{plugin}/quota",
      operationId: "limitTeamPlugin",
      tag: "teams",
      summary: "Limit the events per second of a team at one plugin",
      description:
        "In place of the team's own limit, lower or higher; null gives the plugin back to that one. It may be set before the plugin is enabled. 202 when routers do not know it yet.",
      failures: ["not-found", "deregistered"],
      roles: [],
      params: teamPluginParams,
      query: noQuery,
      body: teamPluginQuotaSchema,
      answers: { 200: pluginQuotaAnswer, 202: pluginQuotaAnswer },
      async handle({ path: { team, plugin }, body: { quota } }) {
        const routing = await teams.setPluginQuota(team, plugin, quota);
        return { status: routing === "current" ? 200 : 202, body: { team, plugin, quota, routing } };
      },
    }),
  ];
}
