import {
  Failure,
  heartbeatSchema,
  leaseResponseSchema,
  pluginPatchSchema,
  pluginSettingsPageSchema,
  pluginViewSchema,
  registrationSchema,
} from "@plugboard/contract";
import { z } from "zod";
import type { PluginService } from "../domain/plugin-service.ts";
import type { PluginStore, TeamStore } from "../domain/ports.ts";
import type { PluginRecord } from "../domain/records.ts";
import { deregistration, goodbye, pluginPage, routedPlugin, routedRegistration } from "./answers.ts";
import { type Route, route } from "./route.ts";
import { instanceParams, noParams, noQuery, page, pageQuery, pluginParams } from "./route-inputs.ts";
import { pluginView } from "./views.ts";

const REGISTRATION_BYTES_MAX = 1024 * 1024;

interface Use {
  readonly service: PluginService;
  readonly plugins: PluginStore;
  readonly teams: TeamStore;
}

/** Routes of the registry: for plugins themselves, and admins. */
export function pluginRoutes(use: Use): Route[] {
  return [...viewRoutes(use), ...registrationRoutes(use), ...instanceRoutes(use.service)];
}

async function viewsOf({ plugins, service }: Use, records: readonly PluginRecord[]) {
  const ids = records.map(({ id }) => id);
  const [enabled, toReseal, liveness] = await Promise.all([
    plugins.teamsEnabled(ids),
    plugins.teamsToReseal(ids),
    service.liveness(ids),
  ]);
  return records.map((record) => {
    const teams = { enabled: enabled.get(record.id) ?? 0, toReseal: toReseal.get(record.id) ?? 0 };
    return pluginView(record, teams, liveness);
  });
}

async function viewOf(use: Use, record: PluginRecord) {
  return (await viewsOf(use, [record]))[0];
}

function viewRoutes(use: Use): Route[] {
  const { service, plugins, teams } = use;
  return [
    route({
      method: "get",
      path: "/v1/plugins",
      operationId: "listPlugins",
      tag: "plugins",
      summary: "The plugins, with all their fields",
      description: "By id, a page at a time; deregistered ones are among them. A plugin sees itself only.",
      roles: ["plugin"],
      params: noParams,
      query: pageQuery,
      answers: { 200: pluginPage },
      async handle({ query, principal }) {
        const records =
          principal.role === "plugin"
            ? [await plugins.find(principal.subject)].filter((record) => record !== null)
            : await plugins.list({ after: query.after ?? null, limit: query.limit }, { deregistered: true });
        const items = await viewsOf(use, records);
        return {
          status: 200,
          body: page(
            items,
            query,
            ({ id }) => id,
            (item) => item,
          ),
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/plugins/{plugin}",
      operationId: "readPlugin",
      tag: "plugins",
      summary: "A plugin, with all its fields",
      description: "Its address, its live instances and how many teams use it. Teams have a view of their own.",
      failures: ["not-found"],
      roles: ["plugin"],
      params: pluginParams,
      query: noQuery,
      answers: { 200: pluginViewSchema },
      handle: async ({ path }) => ({ status: 200, body: await viewOf(use, await service.find(path.plugin)) }),
    }),
    route({
      method: "get",
      path: "/v1/plugins/{plugin}/settings",
      operationId: "readPluginSettings",
      tag: "plugins",
      summary: "All teams' settings for the plugin",
      description: "By team, a page at a time, secrets sealed: for a plugin that starts with an empty database.",
      failures: ["not-found"],
      roles: ["plugin"],
      params: pluginParams,
      query: pageQuery,
      answers: { 200: pluginSettingsPageSchema },
      async handle({ path, query }) {
        await service.find(path.plugin);
        const rows = await teams.settingsOf(path.plugin, { after: query.after ?? null, limit: query.limit });
        const body = page(
          rows,
          query,
          ({ teamId }) => teamId,
          ({ teamId, settingsVersion, state, settings }) => ({
            team: teamId,
            version: settingsVersion,
            state,
            settings: settings ?? {},
          }),
        );
        return { status: 200, body };
      },
    }),
  ];
}

function registrationRoutes(use: Use): Route[] {
  const { service } = use;
  return [
    route({
      method: "put",
      path: "/v1/plugins/{plugin}",
      operationId: "registerPlugin",
      tag: "plugins",
      summary: "Register a plugin, or tell what has changed",
      description:
        "Harmless when repeated. 201 the first time. The plugin's topics are there when it answers. A changed url or publicKey waits for an admin, see pendingApproval, unless the manager is set otherwise. A settings schema that teams' settings do not fit is refused with those teams, and what was registered before stands; secrets are sealed, so of them only the presence is checked.",
      failures: ["settings-invalidated"],
      roles: ["plugin"],
      params: pluginParams,
      query: z.strictObject({
        force: z
          .enum(["true", "false"])
          .default("false")
          .describe(
            "For an admin: takes such a schema, and sends the settings that do not fit it to the plugin again.",
          ),
      }),
      body: registrationSchema,
      bodyBytesMax: REGISTRATION_BYTES_MAX,
      answers: { 200: routedRegistration, 201: routedRegistration },
      async handle({ path, query, body, principal }) {
        const how = { byAdmin: principal.role === "admin", force: query.force === "true" };
        if (how.force && !how.byAdmin) throw new Failure("forbidden", "only an admin registers by force");
        const { response, created, routing } = await service.register(path.plugin, body, how);
        return { status: created ? 201 : 200, body: { ...response, routing } };
      },
    }),
    route({
      method: "patch",
      path: "/v1/plugins/{plugin}",
      operationId: "changePlugin",
      tag: "plugins",
      summary: "Switch maintenance; or, for an admin, approve or drop changes of url and key",
      description: "200 when routers know the change, 202 when it is stored and they follow.",
      failures: ["not-found", "deregistered", "key-not-held"],
      roles: ["plugin"],
      params: pluginParams,
      query: noQuery,
      body: pluginPatchSchema,
      answers: { 200: routedPlugin, 202: routedPlugin },
      async handle({ path, body, principal }) {
        if (body.approve !== undefined && principal.role !== "admin")
          throw new Failure("forbidden", "only an admin approves changes of url and key");
        if (body.approve === undefined && body.status === undefined) {
          const problems = [{ path: "", message: 'needs "status" or "approve"' }];
          throw new Failure("invalid-input", "body: 1 problem", { problems });
        }
        const { plugin, routing } = await service.patch(path.plugin, body);
        return { status: routing === "current" ? 200 : 202, body: { ...(await viewOf(use, plugin)), routing } };
      },
    }),
    route({
      method: "delete",
      path: "/v1/plugins/{plugin}",
      operationId: "deregisterPlugin",
      tag: "plugins",
      summary: "Deregister a plugin",
      description:
        "It leaves the routing table; teams keep their settings, and it may register again. With deleteTopics=true its topics go, too, once no router can still write to them. 202 while something of that is still under way.",
      failures: ["not-found"],
      roles: [],
      params: pluginParams,
      query: z.strictObject({ deleteTopics: z.enum(["true", "false"]).default("false") }),
      answers: { 200: deregistration, 202: deregistration },
      async handle({ path, query }) {
        const result = await service.deregister(path.plugin, query.deleteTopics === "true");
        const done = result.routing === "current" && result.topics === "kept";
        return { status: done ? 200 : 202, body: { id: path.plugin, ...result } };
      },
    }),
  ];
}

function instanceRoutes(service: PluginService): Route[] {
  return [
    route({
      method: "put",
      path: "/v1/plugins/{plugin}/instances/{instance}",
      operationId: "renewInstance",
      tag: "plugins",
      summary: "Heartbeat of an instance",
      description:
        "It is counted until its lease ends; renew at a third of that. The answer says whose registration stands: an instance of another version registers again once none of that one lives.",
      failures: ["not-found", "deregistered"],
      roles: ["plugin"],
      params: instanceParams,
      query: noQuery,
      body: heartbeatSchema.optional(),
      answers: { 200: leaseResponseSchema },
      async handle({ path, body = {} }) {
        return { status: 200, body: await service.renew(path.plugin, path.instance, body) };
      },
    }),
    route({
      method: "delete",
      path: "/v1/plugins/{plugin}/instances/{instance}",
      operationId: "releaseInstance",
      tag: "plugins",
      summary: "Goodbye of an instance",
      description: "It is no longer counted. Harmless when repeated.",
      failures: ["not-found", "deregistered"],
      roles: ["plugin"],
      params: instanceParams,
      query: noQuery,
      answers: { 200: goodbye },
      async handle({ path }) {
        const instances = await service.release(path.plugin, path.instance);
        return { status: 200, body: { instance: path.instance, instances } };
      },
    }),
  ];
}
