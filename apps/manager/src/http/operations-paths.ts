import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { DOCUMENTATION_FILES } from "./documentation-files.ts";
import type { ProblemResponses } from "./openapi-problems.ts";

const live = z
  .object({ status: z.literal("ok") })
  .meta({ id: "Liveness", description: "The process lives.", examples: [{ status: "ok" }] });

const readiness = z
  .object({
    ready: z.boolean().describe("Whether every critical check has no problem."),
    checks: z.array(
      z.object({
        name: z.string(),
        critical: z.boolean().describe("false: without it the process goes on, with less."),
        problem: z.string().nullable().describe("null while all is well."),
      }),
    ),
  })
  .meta({
    id: "Readiness",
    description: "What the process needs, and how each of it is.",
    examples: [{ ready: true, checks: [{ name: "postgres", critical: true, problem: null }] }],
  });

const metrics = z.string().meta({
  description: "Prometheus text format.",
  examples: ["# TYPE manager_outbox_rows gauge\nmanager_outbox_rows 0\n"],
});

const text = (description: string) => z.string().meta({ description });

/** Paths that are not in the table of routes: for operators and readers, open to whoever reaches the port. */
export function operationsPaths(problems: ProblemResponses): ZodOpenApiPathsObject {
  const ours = problems.referencesTo(["internal"]);
  const headers = { "x-request-id": { $ref: "#/components/headers/RequestId" } };
  const read = (operationId: string, tag: string, summary: string, description: string, responses: object) => ({
    get: { operationId, tags: [tag], summary, description, security: [], responses: { ...responses, ...ours } },
  });
  const answer = (description: string, type: string, schema: z.ZodType) => ({
    description,
    headers,
    content: { [type]: { schema } },
  });
  const unchanged = { 304: { description: "The copy that the caller has is current.", headers } };
  return {
    "/healthz": read("readLiveness", "operations", "Whether the process lives", "For restarts.", {
      200: answer("It lives.", "application/json", live),
    }),
    "/readyz": read("readReadiness", "operations", "Whether the process can do its work", "For load balancers.", {
      200: answer("It can.", "application/json", readiness),
      503: answer("Something critical is missing; `checks` names it.", "application/json", readiness),
    }),
    "/metrics": read("readMetrics", "operations", "Metrics for Prometheus", "docs/metrics.md says what each means.", {
      200: answer("All metrics of this process.", "text/plain", metrics),
    }),
    "/openapi.json": read("readDescription", "documentation", "This document", "It changes with releases only.", {
      200: answer("This document.", "application/json", z.looseObject({ openapi: z.string() })),
      ...unchanged,
    }),
    "/docs": read("readPages", "documentation", "This document, to browse", "Everything it needs is served here.", {
      200: answer("A page.", "text/html", text("HTML")),
      ...unchanged,
    }),
    "/docs/{file}": {
      get: {
        ...read("readPageFile", "documentation", "What the page is made of", "Scripts, styles and images.", {}).get,
        requestParams: { path: z.object({ file: z.enum(Object.keys(DOCUMENTATION_FILES) as [string, ...string[]]) }) },
        responses: {
          200: {
            description: "The file.",
            headers,
            content: Object.fromEntries(
              Object.values(DOCUMENTATION_FILES).map((type) => [type, { schema: text("The file.") }]),
            ),
          },
          ...unchanged,
          ...problems.referencesTo(["invalid-input", "not-found", "internal"]),
        },
      },
    },
  };
}
