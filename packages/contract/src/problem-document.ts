import { z } from "zod";
import { FAILURES, type FailureCode } from "./failure.ts";
import { teamIdSchema } from "./ids.ts";
import { problemItemSchema } from "./manager-api.ts";

const CODES = Object.keys(FAILURES) as [FailureCode, ...FailureCode[]];

/** What `problemDocument` makes: RFC 9457, `application/problem+json`. */
export const problemDocumentSchema = z
  .strictObject({
    type: z.string().describe("urn:plugboard:error:<code>"),
    title: z.string().describe("What the code means, the same each time."),
    status: z.int().min(400).max(599),
    code: z.enum(CODES).describe("Stable: it is never reused for something else."),
    detail: z.string().describe("What is wrong in this case. For people; it may change."),
    next: z.string().describe("What to do about it."),
    instance: z.string().optional().describe("urn:request:<id>, the request's id in our logs and in x-request-id."),
    problems: z.array(problemItemSchema).optional().describe("Everything that is wrong, with its place."),
    teams: z
      .object({ count: z.int().positive(), named: z.array(teamIdSchema).max(100) })
      .optional()
      .describe("The teams concerned, where there are several: how many, and the first of them by id."),
  })
  .meta({ id: "Problem", description: "Why a request was not done (RFC 9457). docs/errors.md lists the codes." });
