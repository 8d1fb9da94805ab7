import {
  Failure,
  leaseResponseSchema,
  pluginPatchSchema,
  pluginSettingsPageSchema,
  pluginViewSchema,
  registrationResponseSchema,
  registrationSchema,
} from "@plugboard/contract";
import { z } from "zod";
import type { PluginService } from "../domain/plugin-service.ts";
import type { PluginStore, TeamStore } from "../domain/ports.ts";
import type { PluginRecord } from "../domain/records.ts";
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
  const [counts, liveness] = await Promise.all([plugins.teamsEnabled(ids), service.liveness(ids)]);
  return records.map((record) => pluginView(record, counts.get(record.id) ?? 0, liveness));
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
      summary: "Plugins, all fields; a plugin sees itself only",
      roles: ["plugin"],
      params: noParams,
      query: pageQuery,
      answers: { 200: z.object({ items: z.array(pluginViewSchema), next: z.string().nullable() }) },
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
      summary: "A plugin, all fields",
      roles: ["plugin"],
      params: pluginParams,
      query: noQuery,
      answers: { 200: pluginViewSchema },
      handle: async ({ path }) => ({ status: 200, body: await viewOf(use, await service.find(path.plugin)) }),
    }),
    route({
      method: "get",
      path: "/v1/plugins/{plugin}/settings",
      summary: "All teams' settings for the plugin, secrets sealed, by team",
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
      summary: "Register a plugin, or tell what has changed",
      roles: ["plugin"],
      params: pluginParams,
      query: noQuery,
      body: registrationSchema,
      bodyBytesMax: REGISTRATION_BYTES_MAX,
      answers: { 200: registrationResponseSchema, 201: registrationResponseSchema },
      async handle({ path, body, principal }) {
        const { response, created, routing } = await service.register(path.plugin, body, principal.role === "admin");
        return { status: created ? 201 : 200, body: { ...response, routing } };
      },
    }),
    route({
      method: "patch",
      path: "/v1/plugins/{plugin}",
      summary: "Maintenance; or, for an admin, approve or drop changes of url and key",
      roles: ["plugin"],
      params: pluginParams,
      query: noQuery,
      body: pluginPatchSchema,
      answers: { 200: pluginViewSchema, 202: pluginViewSchema },
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
      summary: "Deregister; with deleteTopics=true its topics go, too",
      roles: [],
      params: pluginParams,
      query: z.strictObject({ deleteTopics: z.enum(["true", "false"]).default("false") }),
      answers: { 200: z.unknown(), 202: z.unknown() },
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
      summary: "Heartbeat: the instance is counted until its lease ends",
      roles: ["plugin"],
      params: instanceParams,
      query: noQuery,
      answers: { 200: leaseResponseSchema },
      async handle({ path }) {
        const { expiresAt, instances } = await service.renew(path.plugin, path.instance);
        return { status: 200, body: { instance: path.instance, expiresAt: expiresAt.toISOString(), instances } };
      },
    }),
    route({
      method: "delete",
      path: "/v1/plugins/{plugin}/instances/{instance}",
      summary: "Goodbye: the instance is no longer counted",
      roles: ["plugin"],
      params: instanceParams,
      query: noQuery,
      answers: { 200: z.object({ instance: z.string(), instances: z.int() }) },
      async handle({ path }) {
        const instances = await service.release(path.plugin, path.instance);
        return { status: 200, body: { instance: path.instance, instances } };
      },
    }),
  ];
}
