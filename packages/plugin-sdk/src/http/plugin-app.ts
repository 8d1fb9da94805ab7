import type { ProblemItem } from "@plugboard/contract";
import {
  actionRequestSchema,
  attributesOfFlat,
  enablementChangeSchema,
  executeRequestSchema,
  executeResponseSchema,
  Failure,
  initializeRequestSchema,
  PLUGIN_VERSION_HEADER,
  resealRequestSchema,
} from "@plugboard/contract";
import {
  type HealthCheck,
  type Logger,
  noSuchPath,
  operationsRoutes,
  problemHandler,
  requestId,
  type Tracing,
  validInput,
} from "@plugboard/runtime";
import type { Express, Request } from "express";
import express from "express";
import type { Registry } from "prom-client";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { EnablementLoop } from "../enablement/enablement-loop.ts";
import { type ContextParts, contextOf } from "../handlers/handler-context.ts";
import { type CutOff, DeadlineError, withinDeadline } from "../handlers/with-deadline.ts";
import type { FullRegistration } from "../registration/registration-body.ts";
import { required, type TeamSettings } from "../settings/team-settings.ts";
import { type SecretHolder, signedJson } from "./signature.ts";

export interface PluginAppParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly registration: () => FullRegistration;
  readonly settings: TeamSettings<Schema>;
  /** Null for a plugin without handlers for them. */
  readonly enablements: Pick<EnablementLoop<Schema>, "tell"> | null;
  readonly secret: SecretHolder;
  readonly contexts: ContextParts;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly checks: readonly HealthCheck[];
  readonly registry: Registry;
  /** Source of events that name none. */
  readonly flatSource: string;
  /** Aborted when the process has no more time. */
  readonly stopping: AbortSignal;
}

/** Deadline of an action; the manager itself gives up a little later. */
const ACTION_DEADLINE_MS = 30_000;

/** The plugin's HTTP surface. Everything that changes or reveals something is signed by the manager. */
export function pluginApp<Schema extends z.ZodObject>(parts: PluginAppParts<Schema>): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(requestId);
  app.use(operationsRoutes(parts.checks, parts.registry));
  app.get("/metadata", (_request, response) => {
    response.json({ id: parts.definition.metadata.id, ...parts.registration() });
  });
  const signed = signedJson(parts.secret);
  app.post("/initialize", ...signed, async (request, response) => {
    assertMeant(request.header(PLUGIN_VERSION_HEADER), parts.definition.metadata.version);
    response.json(await parts.settings.initialize(validInput(initializeRequestSchema, request.body, "body")));
  });
  app.post("/enablement", ...signed, async (request, response) => {
    assertMeant(request.header(PLUGIN_VERSION_HEADER), parts.definition.metadata.version);
    const { enablements } = parts;
    if (enablements === null) throw new Failure("not-found", "this plugin is not told who enables it");
    response.json(await enablements.tell(validInput(enablementChangeSchema, request.body, "body")));
  });
  app.post("/reseal", ...signed, async (request, response) => {
    response.json(await parts.settings.reseal(validInput(resealRequestSchema, request.body, "body")));
  });
  app.post("/execute", ...signed, async (request, response) => {
    response.json(await served(parts.tracing, request, "execute", () => execute(parts, request.body)));
  });
  app.post("/actions/:name", ...signed, async (request, response) => {
    const name = String(request.params.name);
    const output = await served(parts.tracing, request, `action ${name}`, () => runAction(parts, name, request.body));
    response.json({ output: output ?? null });
  });
  app.use(noSuchPath);
  app.use(problemHandler(parts.logger));
  return app;
}

/** SpanKind.SERVER of OpenTelemetry's API, which is loaded with the SDK only. */
const SERVER = 1;

/** Answers within a span, if the request comes with a sampled `traceparent`. */
async function served<T>(tracing: Tracing, request: Request, name: string, answer: () => Promise<T>): Promise<T> {
  const parent = tracing.parentOf((header) => request.header(header));
  return await tracing.within(parent, name, { kind: SERVER }, answer);
}

/** @throws Failure `unavailable` when the call is for another version that runs beside this one: the manager tries again. */
function assertMeant(version: string | undefined, own: string): void {
  if (version === undefined || version === encodeURIComponent(own)) return;
  throw new Failure("unavailable", `this is version ${own}: the registration of another one stands`);
}

/** What answering needs of the surface's parts. */
export type AnsweringParts<Schema extends z.ZodObject> = Pick<
  PluginAppParts<Schema>,
  "definition" | "settings" | "contexts" | "flatSource" | "stopping"
>;

/** Answers a submit. @param body as the manager sends it. */
export async function execute<Schema extends z.ZodObject>(parts: AnsweringParts<Schema>, body: unknown) {
  const { execute: handler } = parts.definition;
  if (handler === undefined) throw new Failure("not-found", "this plugin takes no part in submits");
  const { event: flat } = validInput(executeRequestSchema, body, "body");
  const event = attributesOfFlat(flat, parts.flatSource);
  const settings = required(await parts.settings.of(event.teamId), event.teamId);
  const answer = await inTime(parts, handler.deadlineMs, (cutOff) =>
    handler.run({ event, data: flat.data }, contextOf(parts.contexts, { team: event.teamId, settings, cutOff })),
  );
  return executeResponseSchema.parse(answer);
}

/** Runs an action. @param body as the manager sends it. */
export async function runAction<Schema extends z.ZodObject>(
  parts: AnsweringParts<Schema>,
  name: string,
  body: unknown,
): Promise<unknown> {
  const { actions = {} } = parts.definition;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) throw new Failure("not-found", `this plugin has no action ${name}`);
  const { team, input } = validInput(actionRequestSchema, body, "body");
  const checked = validInput(action.input, input, "input");
  const settings = required(await parts.settings.of(team), team);
  return await inTime(parts, ACTION_DEADLINE_MS, (cutOff) =>
    action.run(checked, contextOf(parts.contexts, { team, settings, cutOff, fields: { action: name } })),
  );
}

/** The plugin's own check of settings, as a function of team and settings. */
export function settingsCheck<Schema extends z.ZodObject>(
  definition: PluginDefinition<Schema>,
  contexts: ContextParts,
  stopping: AbortSignal,
): (team: string, settings: z.output<Schema>) => Promise<readonly ProblemItem[]> {
  const { validateSettings: check } = definition;
  if (check === undefined) return async () => [];
  return (team, settings) =>
    inTime({ stopping }, SETTINGS_DEADLINE_MS, (cutOff) => {
      const { settings: _, ...context } = contextOf(contexts, { team, settings: null, cutOff });
      return check(settings, context);
    });
}

/** Deadline of the plugin's check of settings. */
const SETTINGS_DEADLINE_MS = 20_000;

async function inTime<T>(
  { stopping }: { readonly stopping: AbortSignal },
  ms: number,
  work: (cutOff: CutOff) => Promise<T>,
): Promise<T> {
  try {
    return await withinDeadline(ms, stopping, work);
  } catch (error) {
    if (error instanceof DeadlineError) throw new Failure("plugin-late", error.message);
    if (stopping.aborted) throw new Failure("unavailable", "the plugin is stopping");
    throw error;
  }
}
