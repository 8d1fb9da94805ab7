import { Failure } from "@plugboard/contract";
import type { HealthCheck } from "@plugboard/runtime";
import { jsonBody, type Logger, noSuchPath, operationsRoutes, problemHandler, requestId } from "@plugboard/runtime";
import express, { type ErrorRequestHandler, type Express } from "express";
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
  /** Tells an error that only says "not there now" from one of ours. */
  readonly isOutage: (error: unknown) => boolean;
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
  app.use(outages(options.isOutage));
  app.use(problemHandler(logger));
  return app;
}

/** A database that does not answer is no error of ours, and the caller may try again. */
function outages(isOutage: (error: unknown) => boolean): ErrorRequestHandler {
  return (error: unknown, _request, _response, next) => {
    if (error instanceof Failure || !isOutage(error)) return next(error);
    next(new Failure("unavailable", "the database does not answer", { cause: error }));
  };
}
