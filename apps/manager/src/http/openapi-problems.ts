import { FAILURES, Failure, type FailureCode, problemDocument } from "@plugboard/contract";
import type { ZodOpenApiResponseObject } from "zod-openapi";
import type { Route } from "./route.ts";

/** What any path may answer, whoever asks: a crowd of its own, ours, or a store's absence. */
const OF_EVERY_ROUTE: readonly FailureCode[] = [
  "invalid-input",
  "unauthenticated",
  "forbidden",
  "rate-limited",
  "internal",
  "unavailable",
];
const OF_BODIES: readonly FailureCode[] = ["invalid-json", "too-large", "unsupported-media-type"];

/** Headers that a status carries beside those of every answer. */
const HEADERS_OF: Readonly<Record<number, string>> = { 401: "WWW-Authenticate", 429: "Retry-After" };

/** Codes of the failures that a route may answer, in the order of the one table. */
export function failuresOf(route: Route): FailureCode[] {
  const own = new Set([...OF_EVERY_ROUTE, ...(route.body === undefined ? [] : OF_BODIES), ...(route.failures ?? [])]);
  return (Object.keys(FAILURES) as FailureCode[]).filter((code) => own.has(code));
}

/** The answers that failures are told with: one for each status, kept once among the document's components. */
export class ProblemResponses {
  readonly components: Record<string, ZodOpenApiResponseObject> = {};

  /** @returns status → reference, for the failures of one operation. */
  referencesTo(codes: readonly FailureCode[]): Record<string, { $ref: string }> {
    const references: Record<string, { $ref: string }> = {};
    for (const [status, sameStatus] of Map.groupBy(codes, (code) => FAILURES[code].status)) {
      const name = `${status}-${sameStatus.join("-or-")}`;
      this.components[name] ??= problemResponse(status, sameStatus);
      references[status] = { $ref: `#/components/responses/${name}` };
    }
    return references;
  }
}

function problemResponse(status: number, codes: readonly FailureCode[]): ZodOpenApiResponseObject {
  const header = HEADERS_OF[status];
  return {
    description: codes.map((code) => `\`${code}\`: ${FAILURES[code].title}. ${FAILURES[code].next}`).join("\n\n"),
    headers: {
      "x-request-id": { $ref: "#/components/headers/RequestId" },
      ...(header === undefined ? {} : { [header]: { $ref: `#/components/headers/${header}` } }),
    },
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            { $ref: "#/components/schemas/Problem" },
            { properties: { status: { const: status }, code: { enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }])),
      },
    },
  };
}

function exampleOf(code: FailureCode) {
  const problems = FAILURES[code].next.includes("every problem") ? [{ path: "/name", message: "is required" }] : [];
  const detail = problems.length > 0 ? "body: 1 problem" : FAILURES[code].title.toLowerCase();
  return problemDocument(new Failure(code, detail, { problems }), "5b8c0a52-2b2f-4b0e-9d3e-6f1c2a7d9e10");
}
