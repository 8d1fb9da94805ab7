import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Failure, type FailureCode, type ProblemItem, problemDocument } from "@plugboard/contract";
import type { ErrorRequestHandler, Express, RequestHandler, Router } from "express";
import express from "express";
import type { Registry } from "prom-client";
import type { z } from "zod";
import { answerConnectionProblems } from "./connection-problems.ts";
import { checkHealth, type HealthCheck } from "./health.ts";
import type { Component } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { registerHealthMetrics } from "./metrics.ts";

/** Largest JSON body accepted unless a route says otherwise, in bytes: the largest record plus room for its envelope. */
export const BODY_BYTES_MAX = 1024 * 1024 + 64 * 1024;

/**
 * How long a connection may be idle, milliseconds. Longer than callers and the usual proxies (60 s) keep theirs: the side
 * that closes first must be the one that opens, or a request meets a connection that is just being closed.
 */
const KEEP_ALIVE_MS = 65_000;
const CLOSE_IDLE_EVERY_MS = 50;

/**
 * Checks input against a schema.
 * @param place what the JSON pointers are relative to: "body", "query", "path".
 * @throws Failure with every problem and its JSON pointer.
 */
export function validInput<T extends z.ZodType>(
  schema: T,
  input: unknown,
  place: string,
  code: FailureCode = "invalid-input",
): z.infer<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = problemsOf(result.error.issues);
  throw new Failure(code, `${place}: ${problems.length} problem${problems.length === 1 ? "" : "s"}`, { problems });
}

/** zod's issues as problem items: JSON pointer and message. */
export function problemsOf(issues: readonly z.core.$ZodIssue[]): ProblemItem[] {
  return issues.map((issue) => ({
    path: issue.path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""),
    message: issue.message,
  }));
}

/** Reads JSON bodies; anything else with a body is refused by content type. */
export function jsonBody(limitBytes = BODY_BYTES_MAX): RequestHandler[] {
  const typed: RequestHandler = (request, _response, next) => {
    const hasBody =
      request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
    if (!hasBody || request.is(["application/json", "application/*+json"])) return next();
    next(new Failure("unsupported-media-type", `content-type is ${request.headers["content-type"] ?? "missing"}`));
  };
  return [typed, express.json({ limit: limitBytes, strict: true, type: ["application/json", "application/*+json"] })];
}

/** Gives every request an id (the caller's `x-request-id` if it is plain), answered in the same header. */
export const requestId: RequestHandler = (request, response, next) => {
  const given = request.header("x-request-id");
  const id = given !== undefined && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : randomUUID();
  response.locals.requestId = id;
  response.setHeader("x-request-id", id);
  next();
};

/** For what no route took. */
export const noSuchPath: RequestHandler = (request, _response, next) => {
  next(new Failure("not-found", `${request.method} ${request.path}`));
};

/** The one place where an error becomes an answer: RFC 9457. Unexpected ones are logged and told as `internal`. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) return next(error);
    const failure = asFailure(error);
    const id = response.locals.requestId as string | undefined;
    if (failure.code === "internal")
      logger.error({ error, requestId: id, method: request.method, path: request.path }, "request failed");
    response
      .status(failure.status)
      .type("application/problem+json")
      .send(JSON.stringify(problemDocument(failure, id)));
  };
}

/** express.json's and the router's own errors carry a `type` or status; everything unknown is ours. */
function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const { type, status, message } = error as { type?: string; status?: number; message?: string };
  if (type === "entity.too.large")
    return new Failure("too-large", `the body is over the limit of ${(error as { limit?: number }).limit} bytes`);
  if (type === "entity.parse.failed") return new Failure("invalid-json", message ?? "not JSON");
  if (status === 415) return new Failure("unsupported-media-type", message ?? "");
  if (status !== undefined && status >= 400 && status < 500)
    return new Failure("invalid-input", message ?? "bad request");
  return new Failure("internal", "an unexpected error; its details are in the log under this request id", {
    cause: error,
  });
}

/** GET /healthz (the process lives), /readyz (critical checks), /metrics (Prometheus text). */
export function operationsRoutes(checks: readonly HealthCheck[], registry: Registry): Router {
  registerHealthMetrics(checks, registry);
  const router = express.Router();
  router.get("/healthz", (_request, response) => {
    response.json({ status: "ok" });
  });
  router.get("/readyz", async (_request, response) => {
    const report = await checkHealth(checks);
    response.status(report.ready ? 200 : 503).json(report);
  });
  router.get("/metrics", async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  });
  return router;
}

/** An Express app as a component: listens on start; on stop takes no new requests, finishes those under way. */
export class HttpServer implements Component {
  readonly name = "http";
  readonly #server: Server;
  readonly #port: number;
  readonly #host: string | undefined;

  /** @param port 0 for any free one. */
  constructor(app: Express, port: number, host?: string) {
    this.#server = createServer(app);
    answerConnectionProblems(this.#server);
    // An expectation that nobody knows may be ignored; Node's own answer to it is no problem document.
    this.#server.on("checkExpectation", app);
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.requestTimeout = 60_000;
    this.#server.headersTimeout = 10_000;
    this.#server.maxConnections = 10_000;
    this.#port = port;
    this.#host = host;
  }

  /** The port it listens on, after start. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, this.#host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    // A connection whose last answer goes out now is idle only then, and would be kept for all its idle time.
    const idle = setInterval(() => this.#server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearInterval(idle);
  }
}
