import { isUtf8 } from "node:buffer";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
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

/** Problems told at once, and characters of each: a megabyte of mistakes must not become an answer of many. */
const PROBLEMS_MAX = 100;
const PROBLEM_LENGTH_MAX = 1_000;

/**
 * Checks input against a schema.
 * @param place what the JSON pointers are relative to: "body", "query", "path".
 * @throws Failure with every problem (the first {@link PROBLEMS_MAX}) and its JSON pointer.
 */
export function validInput<T extends z.ZodType>(
  schema: T,
  input: unknown,
  place: string,
  code: FailureCode = "invalid-input",
): z.infer<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const { issues } = result.error;
  const problems = problemsOf(issues.slice(0, PROBLEMS_MAX)).map(({ path, message }) => ({
    path: shortened(path),
    message: shortened(message),
  }));
  throw new Failure(code, `${place}: ${issues.length} problem${issues.length === 1 ? "" : "s"}`, { problems });
}

function shortened(text: string): string {
  return text.length <= PROBLEM_LENGTH_MAX ? text : `${text.slice(0, PROBLEM_LENGTH_MAX)}…`;
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
  const type = ["application/json", "application/*+json"];
  const announced: RequestHandler = (request, _response, next) => {
    const { "content-type": contentType, "content-encoding": encoding = "identity" } = request.headers;
    const bytes = Number(request.headers["content-length"] ?? 0);
    if (bytes === 0 && request.headers["transfer-encoding"] === undefined) return next();
    if (!request.is(type))
      return next(new Failure("unsupported-media-type", `content-type is ${contentType ?? "missing"}`));
    // express.json would first read to its end what it then refuses.
    next(encoding === "identity" && bytes > limitBytes ? tooLarge(limitBytes) : undefined);
  };
  return [announced, express.json({ limit: limitBytes, strict: true, type, verify: refuseOtherThanUtf8 })];
}

function tooLarge(limitBytes: number): Failure {
  return new Failure("too-large", `the body is over the limit of ${limitBytes} bytes`);
}

const NOT_UTF8 = "entity.not-utf8";

/** Decoding would put U+FFFD for every byte that is none, and store what nobody sent. */
function refuseOtherThanUtf8(_request: unknown, _response: unknown, body: Buffer, encoding: string): void {
  if (encoding === "utf-8" && !isUtf8(body)) throw Object.assign(new Error("not UTF-8"), { type: NOT_UTF8 });
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
  if (type === "entity.too.large") return tooLarge((error as { limit: number }).limit);
  if (type === NOT_UTF8) return new Failure("invalid-json", "the body is not UTF-8");
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

/** Hands requests to an app, and answers in its place what it has no answer to: Express's own would be a page. */
function listenerOf(app: Express): RequestListener {
  const handle = app as unknown as (
    request: IncomingMessage,
    response: ServerResponse,
    done: (error?: unknown) => void,
  ) => void;
  return (request, response) => {
    if (request.httpVersion === "1.1" && request.headers.host === undefined)
      return tell(response, new Failure("invalid-input", "there is no host header"));
    handle(request, response, (error) => {
      // An answer that broke off must not end as if it were whole.
      if (response.headersSent) return void request.socket.destroy();
      // No error: the app does not know the path, or cannot read one from the target (http://[).
      tell(response, error === undefined ? notFound(request) : asFailure(error));
    });
  };
}

function notFound({ method, url }: IncomingMessage): Failure {
  return new Failure("not-found", `${method} ${url}`);
}

function tell(response: ServerResponse, failure: Failure): void {
  response.writeHead(failure.status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify(problemDocument(failure)));
}

/** An Express app as a component: listens on start; on stop takes no new requests, finishes those under way. */
export class HttpServer implements Component {
  readonly name = "http";
  readonly #server: Server;
  readonly #port: number;
  readonly #host: string | undefined;

  /** @param port 0 for any free one. */
  constructor(app: Express, port: number, host?: string) {
    const listener = listenerOf(app);
    // Node's own answers, to a missing host and to an expectation that nobody knows, are no problem documents.
    this.#server = createServer({ requireHostHeader: false }, listener);
    answerConnectionProblems(this.#server);
    this.#server.on("checkExpectation", listener);
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
