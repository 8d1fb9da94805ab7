import { Failure } from "@plugboard/contract";
import {
  type HealthCheck,
  jsonBody,
  type Logger,
  noSuchPath,
  operationsRoutes,
  passTrace,
  problemHandler,
  requestId,
  validInput,
} from "@plugboard/runtime";
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import helmet from "helmet";
import type { Registry } from "prom-client";
import type { Tokens } from "../domain/access.ts";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";
import { isDeeperThan, unfaithful } from "../domain/storable-json.ts";
import { authentication, authorization, principalOf } from "./authenticate.ts";
import { documentationRoutes } from "./documentation-routes.ts";
import { openApiDocument } from "./openapi-document.ts";
import type { Method, Route } from "./route.ts";

export interface AppDependencies {
  readonly routes: readonly Route[];
  readonly tokens: Tokens;
  readonly metrics: ManagerMetrics;
  readonly registry: Registry;
  readonly checks: readonly HealthCheck[];
  readonly logger: Logger;
  /** Tells an error of the stores that only says "not there now" from one of ours. */
  readonly isOutage: (error: unknown) => boolean;
  /** How many proxies in front are trusted to name the caller's address. */
  readonly trustedProxies: number;
}

/** The manager's HTTP side, built from its table of routes. */
export function createApp(dependencies: AppDependencies): Express {
  const { routes, tokens, metrics, registry, checks, logger } = dependencies;
  const app = express();
  app.set("trust proxy", dependencies.trustedProxies);
  app.set("query parser", "simple");
  app.set("etag", false);
  // Without these a path would be answered in spellings that nothing describes.
  app.enable("strict routing");
  app.enable("case sensitive routing");
  app.use(helmet());
  app.use(requestId);
  app.use(passTrace);
  app.use(measured(metrics, logger));
  const document = openApiDocument(routes);
  const byPath = Map.groupBy(routes, (route) => route.path);
  // Before their routers, which would answer OPTIONS in their own way.
  for (const path of Object.keys(document.paths ?? {}))
    if (!byPath.has(path)) app.all(patternOf(path), exceptReads(otherMethods(["get"])));
  app.use(withoutHeaders("range", "if-range", "if-match", "if-unmodified-since"));
  app.use(documentationRoutes(document));
  // What is asked of the rest changes: Express would tell who names any etag at all that it has it.
  app.use(withoutHeaders("if-none-match", "if-modified-since"));
  app.use(operationsRoutes(checks, registry));
  const authenticate = authentication(tokens, metrics);
  for (const [path, atPath] of byPath) {
    const pattern = patternOf(path);
    for (const route of atPath) {
      const body = route.body === undefined ? [] : [...jsonBody(route.bodyBytesMax), refuseUnfitBodies];
      const chain = [named(path), authenticate, authorization(route.roles, metrics), ...body, handled(route)];
      app[route.method](pattern, ...chain);
    }
    app.all(pattern, named(path), otherMethods(atPath.map(({ method }) => method)));
  }
  app.use(noSuchPath);
  app.use(outages(dependencies.isOutage));
  app.use(problemHandler(logger));
  return app;
}

/** OpenAPI's template of a path as Express writes it. */
function patternOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

/** A database that does not answer is no error of ours, and the caller may try again. */
function outages(isOutage: (error: unknown) => boolean): ErrorRequestHandler {
  return (error: unknown, _request, _response, next) => {
    if (error instanceof Failure || !isOutage(error)) return next(error);
    next(new Failure("unavailable", "the database does not answer", { cause: error }));
  };
}

/** Levels of nesting in a body: parsing takes any number, but hardly anything after it does. */
const BODY_DEPTH_MAX = 100;

const refuseUnfitBodies: RequestHandler = (request, _response, next) => {
  if (isDeeperThan(BODY_DEPTH_MAX, request.body))
    return next(new Failure("invalid-input", `the body is nested deeper than ${BODY_DEPTH_MAX} levels`));
  const problems = unfaithful(request.body);
  if (problems.length === 0) return next();
  next(new Failure("invalid-input", `body: ${problems.length} problem(s)`, { problems }));
};

/** Checks a request against its route's schemas and answers what the handler says. */
function handled(route: Route): RequestHandler {
  return async (request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const answer = await route.handle({
      path: validInput(route.params, request.params, "path"),
      query: validInput(route.query, { ...request.query }, "query"),
      body: route.body === undefined ? undefined : validInput(route.body, request.body, "body"),
      principal: principalOf(response),
      signal: gone.signal,
      request,
    });
    if (!(answer.status in route.answers))
      throw new Error(`${route.method} ${route.path} declares no ${answer.status}`);
    response.status(answer.status);
    if (answer.body === undefined) response.end();
    else response.json(answer.body);
  };
}

/** OPTIONS is answered, anything else refused, both naming what the path allows. */
function otherMethods(declared: readonly Method[]): RequestHandler {
  const methods = declared.map((method) => method.toUpperCase());
  const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  return (request, response, next) => {
    response.setHeader("allow", allow);
    if (request.method === "OPTIONS") response.status(204).end();
    else next(new Failure("method-not-allowed", `${request.method} ${request.path}; allowed: ${allow}`));
  };
}

/** Takes out of a request what would make Express answer in a way that nothing describes. */
function withoutHeaders(...names: readonly string[]): RequestHandler {
  return (request, _response, next) => {
    for (const name of names) delete request.headers[name];
    next();
  };
}

/** Leaves GET and HEAD to what comes after. */
function exceptReads(handler: RequestHandler): RequestHandler {
  return (request, response, next) => {
    if (request.method === "GET" || request.method === "HEAD") next();
    else handler(request, response, next);
  };
}

/** Names the route for the metrics, whose labels must not grow with ids. */
function named(path: string): RequestHandler {
  return (_request, response, next) => {
    response.locals.route = path;
    next();
  };
}

function measured(metrics: ManagerMetrics, logger: Logger): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    response.once("finish", () => {
      observe(metrics, request.method, response, startedAt);
      if (logger.isLevelEnabled("debug")) tell(logger, request, response, startedAt);
    });
    next();
  };
}

function observe(metrics: ManagerMetrics, method: string, response: Response, startedAt: number): void {
  const route = (response.locals.route as string | undefined) ?? "other";
  const labels = { method, route, status: String(response.statusCode) };
  metrics.httpSeconds.observe(labels, (performance.now() - startedAt) / 1_000);
}

/** The one wide line of a request. Names are those of docs/logs.md; a query may hold anything, so it is left out. */
function tell(logger: Logger, request: Request, response: Response, startedAt: number): void {
  const { requestId, route = "other" } = response.locals as { requestId?: string; route?: string };
  // Only what a principal was found for: routes before authentication have none.
  const { principal } = response.locals as { principal?: { role: string; subject: string } };
  const caller = principal === undefined ? {} : { role: principal.role, subject: principal.subject };
  const { team, plugin } = request.params as { team?: string; plugin?: string };
  const fields = { requestId, method: request.method, route, status: response.statusCode, team, plugin, ...caller };
  logger.debug({ ...fields, durationMs: Math.round(performance.now() - startedAt) }, "request");
}
