import { Failure } from "@plugboard/contract";
import type { NextFunction, Request, RequestHandler, Response } from "express";
import { rateLimit } from "express-rate-limit";
import { mayUse, type Principal, type Role, type Tokens } from "../domain/access.ts";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";

/** Longest credential looked at, characters. */
const CREDENTIAL_LENGTH_MAX = 4_096;
/** Failures from one address in one window; beyond it they are answered 429. Valid credentials always pass. */
const FAILURES_WINDOW_MS = 60_000;
const FAILURES_PER_WINDOW_MAX = 60;

/**
 * Tells who calls. Only failures are limited, and only failures are refused for it: many services share an address (a
 * proxy, a host), and one that holds an expired token must not shut the others out. Tokens are too long to be guessed.
 */
export function authentication(tokens: Tokens, metrics: ManagerMetrics): RequestHandler {
  const limitFailures = rateLimit({
    windowMs: FAILURES_WINDOW_MS,
    limit: FAILURES_PER_WINDOW_MAX,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    handler: (_request, _response, next) => next(new Failure("rate-limited", "too many invalid credentials")),
  });
  return async (request: Request, response: Response, next: NextFunction) => {
    const [scheme = "", credential = ""] = (request.header("authorization") ?? "").split(" ", 2);
    const given = scheme.toLowerCase() === "bearer" && credential !== "" && credential.length <= CREDENTIAL_LENGTH_MAX;
    const principal = given ? await tokens.principal(credential) : null;
    if (principal !== null) {
      response.locals.principal = principal;
      return next();
    }
    metrics.authFailures.inc({ reason: given ? "invalid" : "missing" });
    await limitFailures(request, response, (error?: unknown) => {
      if (error !== undefined) return next(error);
      response.setHeader("www-authenticate", 'Bearer realm="plugboard"');
      next(new Failure("unauthenticated", given ? "the token is not valid, or has expired" : "no bearer token"));
    });
  };
}

/** Lets in who may use the route. Runs after {@link authentication}. */
export function authorization(roles: readonly Role[], metrics: ManagerMetrics): RequestHandler {
  return (request, response, next) => {
    const principal = principalOf(response);
    const { plugin, team } = request.params as { plugin?: string; team?: string };
    if (mayUse(principal, roles, { plugin, team })) return next();
    metrics.authFailures.inc({ reason: "forbidden" });
    const allowed = ["admin", ...roles.filter((role) => role !== "admin")].join(", ");
    next(
      new Failure("forbidden", `role "${principal.role}" may not do this here; allowed: ${allowed}, with their own id`),
    );
  };
}

export function principalOf(response: Response): Principal {
  return response.locals.principal as Principal;
}
