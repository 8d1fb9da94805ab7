import { problemDocumentSchema } from "@plugboard/contract";
import type { z } from "zod";
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from "zod-openapi";
import type { Role } from "../domain/access.ts";
import { failuresOf, ProblemResponses } from "./openapi-problems.ts";
import { operationsPaths } from "./operations-paths.ts";
import type { Route } from "./route.ts";

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = ReturnType<typeof createDocument>;

/** Version of the API, not of the program: what is under /v1 only grows, so only the second number does. */
const API_VERSION = "1.0.0";

const INTRODUCTION = `The manager is Plugboard's control plane: plugins register here, teams switch them on and configure them, and the
core asks it about submissions.

**Credentials.** Every call under /v1 and /internal carries \`Authorization: Bearer <token>\`. The admin's token is a
setting of the manager and opens everything; \`POST /v1/tokens\` makes all others. A token has a role and a subject; each
operation names the roles that may use it (also in \`x-roles\`), and the tokens of a plugin or team open paths with their
own id only.

**Failures** are problem documents (RFC 9457). Their \`code\` never changes its meaning and \`problems\` lists everything
that is wrong at once. Each operation names the codes it may answer. A path that does not exist is 404 \`not-found\`, a method that a path
does not have 405 \`method-not-allowed\` with \`Allow\`; HEAD is answered wherever GET is, and OPTIONS everywhere. A request that is
not HTTP is 400 \`invalid-input\`, one whose headers are too large 431 \`headers-too-large\`, one that does not end 408
\`request-timeout\`.

**Requests.** Bodies are JSON in UTF-8, \`application/json\` or \`application/*+json\`, at most as large as the operation says, at
most 100 levels deep. A field named \`__proto__\` and a number that no double can hold (1e999) are refused. Fields and query parameters that are not described are refused, never
ignored, except in events, to which a core may add its own. Ids are 1 to 64 characters of a-z, 0-9 and "-".

**Pages.** Lists are ordered by id. Pass \`next\` as \`after\` until it is null.`;

const TAGS = [
  { name: "teams", description: "What a team sees of the plugins, and decides about them." },
  { name: "plugins", description: "The registry: for plugins themselves, and admins." },
  { name: "gateway", description: "Calls that are passed on to plugins." },
  { name: "platform", description: "For the platform's own parts, and whoever hands out credentials." },
  { name: "operations", description: "For operators. No credential is needed: keep them inside your network." },
  { name: "documentation", description: "This document. No credential is needed." },
];

/** What a role's token opens of a route. */
const ROLE_IN_WORDS: Readonly<Record<Role, string>> = {
  admin: "an admin",
  team: "a team, for itself",
  plugin: "a plugin, for itself",
  core: "a core",
  router: "a router",
};

const MEANINGS: Readonly<Record<number, string>> = {
  200: "Done.",
  201: "Made.",
  202: "Stored; the rest follows by itself.",
};

/** The API's description, from the table of routes that the server itself is built from. */
export function openApiDocument(routes: readonly Route[]): OpenApiDocument {
  const problems = new ProblemResponses();
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operation(route, problems) };
  Object.assign(paths, operationsPaths(problems));
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "Plugboard manager",
      version: API_VERSION,
      description: INTRODUCTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The manager that serves this document" }],
    security: [{ bearer: [] }],
    tags: TAGS,
    paths,
    components: {
      schemas: { Problem: problemDocumentSchema },
      responses: problems.components,
      headers: {
        RequestId: {
          description: "The request's id in our logs: the caller's own x-request-id if it sent a plain one.",
          schema: { type: "string" },
        },
        "WWW-Authenticate": { description: "How to authenticate.", schema: { type: "string" } },
        "Retry-After": { description: "Seconds to wait.", schema: { type: "string", pattern: "^\\d+$" } },
      },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "The admin's token, or one from POST /v1/tokens, with the role that the operation names.",
        },
      },
    },
  });
}

function operation(route: Route, problems: ProblemResponses): ZodOpenApiOperationObject {
  const roles: Role[] = ["admin", ...route.roles.filter((role) => role !== "admin")];
  const who = `Who may: ${roles.map((role) => ROLE_IN_WORDS[role]).join("; ")}.`;
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: [route.description, who, limit(route)].filter((part) => part !== undefined).join("\n\n"),
    security: [{ bearer: roles }],
    "x-roles": roles,
    requestParams: { path: route.params, query: route.query },
    ...(route.body === undefined ? {} : { requestBody: requestBody(route.body) }),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, schema]) => [status, answer(status, schema)])),
      ...problems.referencesTo(failuresOf(route)),
    },
  };
}

function limit({ body, bodyBytesMax }: Route): string | undefined {
  return body && `The body has at most ${bodyBytesMax.toLocaleString("en")} bytes.`;
}

function requestBody(schema: z.ZodType) {
  return { required: !schema.safeParse(undefined).success, content: { "application/json": withExample(schema) } };
}

function answer(status: string, schema: z.ZodType) {
  const meaning = [MEANINGS[Number(status)], schema.meta()?.description].filter((part) => part !== undefined);
  return {
    description: meaning.join(" "),
    headers: { "x-request-id": { $ref: "#/components/headers/RequestId" } },
    content: { "application/json": withExample(schema) },
  };
}

/** A schema's own example, told beside it as well: JSON Schema loses those of what it cannot describe whole. */
function withExample(schema: z.ZodType) {
  const [example] = (schema.meta()?.examples as unknown[] | undefined) ?? [];
  return { schema, ...(example === undefined ? {} : { example }) };
}
