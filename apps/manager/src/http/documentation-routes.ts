import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Failure } from "@plugboard/contract";
import express, { type RequestHandler, type Response, type Router } from "express";
import { DOCUMENTATION_FILES } from "./documentation-files.ts";
import type { OpenApiDocument } from "./openapi-document.ts";

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Plugboard manager</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <noscript>This page needs JavaScript; the document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
    <div id="api"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

/** A file of its own, for the page's policy allows no script inside it. Tokens that a reader types in are not kept. */
const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});
`;

/**
 * All that the page needs and nothing else: its own scripts and styles, the images inside its stylesheet, and calls to
 * this manager. Not \`upgrade-insecure-requests\`, which helmet sets usually: a manager inside a network speaks plain HTTP.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** GET /openapi.json, and /docs to browse it; everything comes from this process, for it may have no internet. */
export function documentationRoutes(document: OpenApiDocument): Router {
  const router = express.Router({ strict: true, caseSensitive: true });
  router.get("/openapi.json", kept("application/json", JSON.stringify(document)));
  router.get("/docs", policy, kept("text/html", PAGE));
  router.get("/docs/start.js", kept("text/javascript", START));
  router.get("/docs/:file", packaged);
  return router;
}

const policy: RequestHandler = (_request, response, next) => {
  response.setHeader("content-security-policy", POLICY);
  next();
};

/** Text that is the same until the next release; a copy that is current is not sent again. */
function kept(type: string, text: string): RequestHandler {
  const etag = `"${createHash("sha256").update(text).digest("base64url")}"`;
  return (request, response) => {
    response.setHeader("etag", etag);
    response.setHeader("cache-control", "no-cache");
    if (request.fresh) response.status(304).end();
    else response.type(type).send(text);
  };
}

const FILES_ROOT = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

const packaged: RequestHandler = (request, response: Response, next) => {
  const { file } = request.params as { file: string };
  if (!Object.hasOwn(DOCUMENTATION_FILES, file)) return next(new Failure("not-found", `GET ${request.path}`));
  response.sendFile(
    file,
    { root: FILES_ROOT, acceptRanges: false, cacheControl: false, headers: { "cache-control": "no-cache" } },
    (error) => {
      // A caller that has gone is no failure.
      if (error !== undefined && !response.headersSent && !request.destroyed) next(error);
    },
  );
};
