import { actionResponseSchema, processRequestSchema, processResponseSchema } from "@plugboard/contract";
import { BODY_BYTES_MAX } from "@plugboard/runtime";
import { z } from "zod";
import type { ActionGateway } from "../domain/action-gateway.ts";
import type { SyncPath } from "../domain/sync-path.ts";
import { type Route, route } from "./route.ts";
import { actionParams, noParams, noQuery } from "./route-inputs.ts";

const ACTION_BYTES_MAX = 256 * 1024;

/** Routes that pass on to plugins: a team's actions, and the core's submits. */
export function gatewayRoutes(use: { actions: ActionGateway; syncPath: SyncPath }): Route[] {
  return [
    route({
      method: "post",
      path: "/v1/teams/{team}/plugins/{plugin}/actions/{name}",
      summary: "Run an action of an enabled plugin; the body is its input",
      roles: ["team"],
      params: actionParams,
      query: noQuery,
      body: z.record(z.string(), z.unknown()).default({}),
      bodyBytesMax: ACTION_BYTES_MAX,
      answers: { 200: actionResponseSchema },
      async handle({ path, body }) {
        return { status: 200, body: await use.actions.run(path.team, path.plugin, path.name, body) };
      },
    }),
    route({
      method: "post",
      path: "/v1/process",
      summary: "Ask a team's sync plugins about a response before it is stored",
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
