import { trialRequestSchema, trialResponseSchema } from "@plugboard/contract";
import { BODY_BYTES_MAX } from "@plugboard/runtime";
import type { RouteTrial } from "../domain/route-trial.ts";
import type { TeamService } from "../domain/team-service.ts";
import { type Route, route } from "./route.ts";
import { noQuery, teamPluginParams } from "./route-inputs.ts";

/** Trying what the routers would do. */
export function trialRoutes(use: { teams: TeamService; trial: RouteTrial }): Route[] {
  return [
    route({
      method: "post",
      path: "/v1/teams/{team}/plugins/{plugin}/try",
      operationId: "tryEvent",
      tag: "teams",
      summary: "Whether a sample event would be routed to a plugin, and why not",
      description:
        "Decided by the routers' own code on what is stored, with an optional draft of the enablement in its place. Nothing is sent, stored or counted. A plugin that is not enabled, and a sample that is no event, are answers (200), not errors.",
      failures: ["not-found"],
      roles: ["team"],
      params: teamPluginParams,
      query: noQuery,
      body: trialRequestSchema,
      bodyBytesMax: BODY_BYTES_MAX,
      answers: { 200: trialResponseSchema },
      async handle({ path, body }) {
        const pair = await use.teams.find(path.team, path.plugin);
        return { status: 200, body: await use.trial.run(path.team, pair, body) };
      },
    }),
  ];
}
