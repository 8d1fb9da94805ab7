import { z } from "zod";
import { flatEventSchema } from "./event.ts";
import { pluginIdSchema, teamIdSchema } from "./ids.ts";

/** One finding about a response: which rule, what to tell its collector, which answers it concerns. */
export const flagSchema = z.object({
  rule: z.string().min(1).max(128),
  message: z.string().min(1).max(1_000),
  fields: z.array(z.string().max(256)).max(100).default([]),
});
export type Flag = z.infer<typeof flagSchema>;

/** `POST /v1/process`: the event as the core is about to store it. */
export const processRequestSchema = flatEventSchema.meta({
  id: "Submission",
  description: "The event that the core is about to store and emit, in the flat form.",
  examples: [
    {
      id: "evt-1",
      team_id: "nutrition-kenya",
      event: "onResponse",
      form_id: "ffq-kenya",
      response_id: "resp-1",
      revision: 1,
      occurred_at: "2026-03-01T12:00:00.000Z",
      data: { answers: { age: 31, city: "Nairobi" }, collector: "amina" },
    },
  ],
});

/** What one plugin said, or why it said nothing. */
export const processResultSchema = z.object({
  plugin: pluginIdSchema,
  outcome: z.enum(["passed", "flagged", "rejected", "failed", "timed-out", "unavailable"]),
  flags: z.array(flagSchema),
  /** Whatever the plugin adds to the submission's response. */
  output: z.unknown().optional(),
  error: z.string().nullable(),
  durationMs: z.number(),
});
export type ProcessResult = z.infer<typeof processResultSchema>;

/** `accepted` is false when a plugin rejected the response, or one with `onFailure: closed` did not answer. */
export const processResponseSchema = z.object({ accepted: z.boolean(), results: z.array(processResultSchema) }).meta({
  id: "SubmissionVerdict",
  description: "accepted is false when a plugin rejected it, or one that must answer did not.",
  examples: [
    {
      accepted: true,
      results: [
        {
          plugin: "validator",
          outcome: "flagged",
          flags: [{ rule: "age", message: "The age is unlikely", fields: ["age"] }],
          error: null,
          durationMs: 12,
        },
      ],
    },
  ],
});
export type ProcessResponse = z.infer<typeof processResponseSchema>;

/** Manager → plugin, `POST /execute` (signed). */
export const executeRequestSchema = z.object({ event: flatEventSchema });
export type ExecuteRequest = z.input<typeof executeRequestSchema>;

export const executeResponseSchema = z.object({
  outcome: z.enum(["passed", "flagged", "rejected"]),
  flags: z.array(flagSchema).max(100).default([]),
  output: z.unknown().optional(),
});
export type ExecuteResponse = z.input<typeof executeResponseSchema>;

/** A record of `core.commands`, keyed by response id: the response goes back to its collector. */
export const flagCommandSchema = z.object({
  /** Deterministic, so that a repeated command is recognised. */
  id: z.string().min(1),
  type: z.literal("flag-response"),
  team: teamIdSchema,
  formId: z.string().nullable(),
  responseId: z.string().min(1),
  revision: z.number().nullable(),
  plugin: pluginIdSchema,
  flags: z.array(flagSchema).min(1),
  at: z.string(),
});
export type FlagCommand = z.infer<typeof flagCommandSchema>;

/** All commands the core understands; a union so that the next one is added in one place. */
export const coreCommandSchema = z.discriminatedUnion("type", [flagCommandSchema]);
export type CoreCommand = z.infer<typeof coreCommandSchema>;
