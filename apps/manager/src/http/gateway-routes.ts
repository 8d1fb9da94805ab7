import { actionResponseSchema, processRequestSchema, processResponseSchema } from "@plugboard/contract";
import { BODY_BYTES_MAX } from "@plugboard/runtime";
import { z } from "zod";
import type { ActionGateway } from "../domain/action-gateway.ts";
import type { SyncPath } from "../domain/sync-path.ts";
import { type Route, route } from "./route.ts";
import { actionParams, noParams, noQuery } from "./route-inputs.ts";

const ACTION_BYTES_MAX = 256 * 1024;
const actionInput = z
  .record(z.string(), z.unknown())
  .default({})
  .meta({ description: "The action's input; an empty object unless sent.", examples: [{ phone: "+254700000000" }] });

/** Routes that pass on to plugins: a team's actions, and the core's submits. */
export function gatewayRoutes(use: { actions: ActionGateway; syncPath: SyncPath }): Route[] {
  return [
    route({
      method: "post",
      path: "/v1/teams/{team}/plugins/{plugin}/actions/{name}",
      operationId: "runAction",
      tag: "gateway",
      summary: "Run an action of an enabled plugin",
      description:
        "The body is the action's input and must fit its schema. It is passed to the plugin, signed, and the plugin's answer is passed back. Nothing is repeated: an action whose answer was lost may have had its effect.",
      failures: [
        "not-found",
        "deregistered",
        "not-enabled",
        "not-configured",
        "invalid-action-input",
        "plugin-failed",
        "plugin-down",
        "plugin-late",
      ],
      roles: ["team"],
      params: actionParams,
      query: noQuery,
      body: actionInput,
      bodyBytesMax: ACTION_BYTES_MAX,
      answers: { 200: actionResponseSchema },
      async handle({ path, body }) {
        return { status: 200, body: await use.actions.run(path.team, path.plugin, path.name, body) };
      },
    }),
    route({
      method: "post",
      path: "/v1/process",
      operationId: "processSubmission",
      tag: "gateway",
      summary: "Ask a team's sync plugins about a response before it is stored",
      description:
        "Every plugin that the team has set to sync or both is asked at once, each within its own deadline. Results are to be shown with the submission; one that is not accepted is not to be stored.",
      roles: ["core"],
      params: noParams,
      query: noQuery,
      body: processRequestSchema,
      bodyBytesMax: BODY_BYTES_MAX,
      answers: { 200: processResponseSchema },
      async handle({ body, signal }) {
        return { status: 200, body: await use.syncPath.process(body, signal) };
      },
    }),
  ];
}
