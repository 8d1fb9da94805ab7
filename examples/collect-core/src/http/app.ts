import type { HealthCheck } from "@plugboard/runtime";
import { jsonBody, type Logger, noSuchPath, operationsRoutes, problemHandler, requestId } from "@plugboard/runtime";
import express, { type Express } from "express";
import helmet from "helmet";
import type { Registry } from "prom-client";
import type { Flags } from "../domain/ports.ts";
import { formRoutes } from "./form-routes.ts";
import { pageRoutes } from "./page-routes.ts";
import { responseRoutes } from "./response-routes.ts";
import { type SubmissionRoutesOptions, submissionRoutes } from "./submission-routes.ts";

export interface AppOptions extends SubmissionRoutesOptions {
  readonly flags: Flags;
  readonly checks: readonly HealthCheck[];
  readonly registry: Registry;
  readonly logger: Logger;
}

/** Everything this core serves over HTTP. */
export function createApp(options: AppOptions): Express {
  const { forms, responses, flags, stored, checks, registry, logger } = options;
  const app = express();
  app.disable("x-powered-by");
  app.use(helmet({ contentSecurityPolicy: { directives: { "upgrade-insecure-requests": null } } }));
  app.use(requestId);
  app.use(operationsRoutes(checks, registry));
  app.use(pageRoutes(options));
  app.use(formRoutes(forms, responses, stored));
  app.use(jsonBody());
  app.use(submissionRoutes(options));
  app.use(responseRoutes(responses, flags));
  app.use(noSuchPath);
  app.use(problemHandler(logger));
  return app;
}
