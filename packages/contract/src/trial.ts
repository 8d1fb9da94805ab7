import { z } from "zod";
import { pluginIdSchema, teamIdSchema } from "./ids.ts";
import { enablementSchema, problemItemSchema } from "./manager-api.ts";
import { laneSchema, quotaSchema } from "./routing.ts";

/** A sample as it would stand in the topic: what `plugboard tail --json` prints can be tried as it is. */
const sampleRecordSchema = z
  .strictObject({
    headers: z
      .record(z.string(), z.string().nullable())
      .default({})
      .describe("For a binary CloudEvent: ce_id, ce_source, ce_type, ce_teamid, …"),
    value: z.unknown().optional().describe("Text is taken as the record's bytes; anything else is written as JSON."),
  })
  .meta({ id: "SampleRecord", description: "A record as it stands in Kafka." });

/** `POST /v1/teams/{team}/plugins/{plugin}/try`. */
export const trialRequestSchema = z
  .strictObject({
    event: z
      .unknown()
      .optional()
      .describe("The value of a record: a flat event or a structured CloudEvent. Give this or `record`."),
    record: sampleRecordSchema.optional(),
    draft: enablementSchema
      .partial()
      .optional()
      .describe("A PUT of the enablement that is not made: what it leaves out is as stored."),
    path: z
      .enum(["async", "sync"])
      .default("async")
      .describe("async: through Kafka, by the routers; sync: inside the submit, by the manager."),
  })
  .refine(({ event, record }) => (event === undefined) !== (record === undefined), {
    message: 'needs either "event" or "record"',
  })
  .meta({
    id: "TrialRequest",
    description: "A sample event, and what to change for the trial.",
    examples: [
      {
        event: {
          id: "evt-1",
          team_id: "nutrition-kenya",
          event: "onResponse",
          form_id: "ffq-kenya",
          data: { answers: { age: 31 } },
        },
        draft: { filter: "answers.age >= 18" },
      },
    ],
  });
export type TrialRequest = z.input<typeof trialRequestSchema>;

/** Why an event is not routed, or is none. Those of an event that is none are the dead letter's. */
export const trialReasonSchema = z.enum([
  "disabled",
  "other-team",
  "deregistered",
  "not-subscribed",
  "sync-only",
  "async-only",
  "form",
  "not-configured",
  "maintenance",
  "filter",
  "filter-error",
  "empty",
  "not-json",
  "not-an-object",
  "no-team",
  "no-event",
  "invalid",
  "too-large",
]);
export type TrialReason = z.infer<typeof trialReasonSchema>;

/** The checks in the order in which they are made; the first that fails is the reason. */
export const trialCheckSchema = z.object({
  check: z.enum([
    "event",
    "team",
    "enabled",
    "registered",
    "subscribed",
    "path",
    "form",
    "settings",
    "maintenance",
    "filter",
  ]),
  result: z.enum(["passed", "failed", "skipped"]),
  reason: trialReasonSchema.nullable(),
  explanation: z.string().describe("For people: what was looked at, and what to do about it."),
});
export type TrialCheck = z.infer<typeof trialCheckSchema>;

const filterProblemSchema = z.object({
  reason: z.enum(["missing-answer", "wrong-type", "not-boolean", "too-large", "error", "does-not-compile"]),
  message: z.string(),
  line: z.int().nullable().describe("Counted from 1; null when the filter as a whole is meant."),
  column: z.int().nullable(),
  excerpt: z.string().nullable().describe("The line, and under it carets at the place."),
  missing: z.string().nullable().describe("What the filter asks for and the event does not have."),
  present: z.array(z.string()).nullable().describe("What the event has instead; null where that cannot be told."),
});
export type FilterProblem = z.infer<typeof filterProblemSchema>;

export const trialResponseSchema = z
  .object({
    team: teamIdSchema,
    plugin: pluginIdSchema,
    path: z.enum(["async", "sync"]),
    outcome: z
      .enum(["routed", "not-routed", "malformed"])
      .describe("malformed: the sample is no event, and would go to the dead-letter topic."),
    routed: z.boolean(),
    reason: trialReasonSchema.nullable(),
    explanation: z.string().describe("For people: what would happen, why, and what to do."),
    destination: z
      .string()
      .nullable()
      .describe("The topic that a record like this would be written to; null when it would be written nowhere."),
    lane: laneSchema
      .nullable()
      .describe("Which of the plugin's topics that is; null when it would not be routed by Kafka."),
    quota: quotaSchema
      .nullable()
      .describe(
        "What holds for the team at this plugin: what is over it takes the bulk lane instead. How much of it is used up is not looked at.",
      ),
    problems: z.array(z.string()).describe("Everything that is wrong with a sample that is no event."),
    checks: z.array(trialCheckSchema).describe("In the order in which they are made; all of them are."),
    filter: z.object({ expression: z.string(), problem: filterProblemSchema.nullable() }).nullable(),
    event: z
      .object({
        envelope: z.enum(["binary", "structured", "flat"]),
        id: z.string(),
        source: z.string(),
        type: z.string(),
        teamId: z.string(),
        formId: z.string().nullable(),
        responseId: z.string().nullable(),
        revision: z.number().nullable(),
        time: z.string().nullable(),
        priority: z.enum(["urgent", "bulk"]).nullable(),
      })
      .nullable()
      .describe("The sample as it was read."),
    draft: z
      .object({ problems: z.array(problemItemSchema).describe("Why a PUT of the draft would be refused.") })
      .nullable(),
    table: z.object({
      team: z.int().nullable().describe("Version of the team's entry; null while the team has none."),
      plugin: z.int().nullable(),
      readers: z
        .enum(["current", "pending", "unknown"])
        .describe(
          "Whether the routers' table has these versions: pending until a change is relayed, unknown while Redis does not tell.",
        ),
      explanation: z.string(),
    }),
  })
  .meta({
    id: "Trial",
    description: "What would happen to the sample, and why.",
    examples: [
      {
        team: "nutrition-kenya",
        plugin: "sms",
        path: "async",
        outcome: "not-routed",
        routed: false,
        reason: "disabled",
        explanation: "The plugin is not enabled for the team.",
        destination: null,
        lane: null,
        quota: null,
        problems: [],
        checks: [
          {
            check: "enabled",
            result: "failed",
            reason: "disabled",
            explanation: "The team has not enabled the plugin.",
          },
        ],
        filter: null,
        event: null,
        draft: null,
        table: { team: null, plugin: 1, readers: "current", explanation: "Readers have what is stored." },
      },
    ],
  });
export type TrialResponse = z.infer<typeof trialResponseSchema>;

const tablePositionSchema = z.object({ epoch: z.string(), seq: z.int() });

/** `GET /v1/routing-table`: what is stored, and what the readers have. */
export const routingTableViewSchema = z
  .object({
    stored: tablePositionSchema.nullable().describe("As of the last relay; null before the first."),
    redis: z
      .object({ epoch: z.string().nullable(), seq: z.int() })
      .nullable()
      .describe("As Redis says now; null while it does not answer."),
    waiting: z.object({ changes: z.int(), oldestSeconds: z.number() }).describe("Changes that are not relayed yet."),
    agrees: z.boolean().describe("Whether readers of Redis have all that is stored."),
  })
  .meta({
    id: "RoutingTable",
    description: "The routing table as stored, and as Redis has it.",
    examples: [
      {
        stored: { epoch: "5b8c0a52", seq: 17 },
        redis: { epoch: "5b8c0a52", seq: 17 },
        waiting: { changes: 0, oldestSeconds: 0 },
        agrees: true,
      },
    ],
  });
export type RoutingTableView = z.infer<typeof routingTableViewSchema>;

/** `POST /v1/routing-table/rebuild`. */
export const rebuildResponseSchema = z.object({ epoch: z.string(), entries: z.int() }).meta({
  id: "Rebuild",
  description: "The new epoch, and how many entries it has.",
  examples: [{ epoch: "5b8c0a52", entries: 214 }],
});
export type RebuildResponse = z.infer<typeof rebuildResponseSchema>;
