import { type HealthCheck, type Logger, noSuchPath, operationsRoutes, problemHandler } from "@plugboard/runtime";
import express, { type Express } from "express";
import type { Registry } from "prom-client";

/** /healthz, /readyz and /metrics; the router has no other surface. */
export function createOpsApp(checks: readonly HealthCheck[], registry: Registry, logger: Logger): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(operationsRoutes(checks, registry));
  app.use(noSuchPath);
  app.use(problemHandler(logger));
  return app;
}
