import { type HealthCheck, type Logger, noSuchPath, operationsRoutes, problemHandler } from "@plugboard/runtime";
import express, { type Express } from "express";
import type { Registry } from "prom-client";
import type { RouterStatus } from "../domain/router-status.ts";
import { statusRoutes } from "./status-routes.ts";

/** /healthz, /readyz, /metrics and /status; the router has no other surface. */
export function createOpsApp(
  checks: readonly HealthCheck[],
  registry: Registry,
  status: () => Promise<RouterStatus>,
  logger: Logger,
): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(operationsRoutes(checks, registry));
  app.use(statusRoutes(status));
  app.use(noSuchPath);
  app.use(problemHandler(logger));
  return app;
}
