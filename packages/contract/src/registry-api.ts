import { z } from "zod";
import { actionNameSchema, eventNameSchema, instanceIdSchema, pluginIdSchema } from "./ids.ts";

/** How long a heartbeat keeps an instance counted, in seconds; instances renew at a third of it. */
export const LEASE_SECONDS = 15;
/** A JSON Schema, as a plugin writes it. */
export const jsonSchemaSchema = z.record(z.string(), z.unknown());

/** A time as every answer writes it: ISO 8601, in UTC. */
export const instantSchema = z.iso.datetime();

/** An action a team may call through the manager. */
export const actionSchema = z
  .strictObject({
    name: actionNameSchema,
    description: z.string().max(2_000).default(""),
    input: jsonSchemaSchema.default({ type: "object" }).describe("JSON Schema of the action's input."),
  })
  .meta({ id: "Action", description: "An action that a team may run through the manager." });

/** Where the next page of a list starts. */
export const nextPageSchema = pluginIdSchema.nullable().describe("Pass as `after` for the next page; null at the end.");

/** Whether every reader of the routing table knows a change, or it is on its way. */
export const routingStateSchema = z
  .enum(["current", "pending"])
  .describe("current: the routing table has the change; pending: it is stored, and the table follows.");

/** Changes that an admin has to approve first. */
const waitingNameSchema = z.enum(["url", "publicKey"]);
const waitingSchema = z.array(waitingNameSchema).describe("Changes that an admin has to approve before they count.");

export const registrationResponseSchema = z
  .object({
    id: pluginIdSchema,
    topics: z.object({ live: z.string(), priority: z.string(), bulk: z.string(), deadLetter: z.string() }),
    leaseSeconds: z.number().describe("How long a heartbeat counts, seconds."),
    webhookSecret: z
      .string()
      .describe("Standard Webhooks secret (whsec_…) that the manager's calls to the plugin are signed with."),
    pendingApproval: waitingSchema,
  })
  .meta({
    id: "RegistrationAnswer",
    description: "The plugin's topics, and the secret its calls are signed with.",
    examples: [
      {
        id: "sms",
        topics: {
          live: "plugin.sms",
          priority: "plugin.sms.priority",
          bulk: "plugin.sms.bulk",
          deadLetter: "plugin.sms.dlq",
        },
        leaseSeconds: LEASE_SECONDS,
        webhookSecret: "whsec_c2VjcmV0",
        pendingApproval: [],
        routing: "current",
      },
    ],
  });
export type RegistrationResponse = z.infer<typeof registrationResponseSchema>;

const registrationVersionSchema = z.string().min(1).max(64);

const registrationExample = {
  name: "Text messages",
  description: "Texts the person interviewed.",
  url: "http://127.0.0.1:4101",
  version: "1.4.0",
  events: ["onResponse"],
  settings: {
    type: "object",
    properties: { sender: { type: "string" }, apiKey: { type: "string", writeOnly: true } },
    required: ["sender"],
    additionalProperties: false,
  },
  actions: [{ name: "send-test", description: "Sends one text.", input: { type: "object" } }],
  sync: null,
  priorityEvents: [],
  publicKey: {
    kty: "EC",
    crv: "P-256",
    x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
  },
  enablements: false,
};

/** `PUT /v1/plugins/{plugin}`, and what a plugin serves at `GET /metadata` (with its id). */
export const registrationSchema = z
  .strictObject({
    name: z.string().min(1).max(200),
    description: z.string().max(2_000),
    url: z.url({ protocol: /^https?$/ }).describe("Where the manager reaches the plugin: http or https."),
    version: registrationVersionSchema,
    events: z.array(eventNameSchema).max(100).describe("Names of the events it wants, such as onResponse."),
    settings: jsonSchemaSchema.describe(
      'JSON Schema (2020-12, or 07 if it says so) of a team\'s settings; its type is "object". Properties marked writeOnly are secrets.',
    ),
    actions: z.array(actionSchema).max(100).default([]),
    sync: z
      .strictObject({ deadlineMs: z.int().min(10).max(10_000).describe("Milliseconds it is given to answer.") })
      .nullable()
      .default(null)
      .describe("Set when the plugin also answers inside a submit, at POST /execute."),
    priorityEvents: z.array(eventNameSchema).max(100).default([]).describe("Those of its events that are urgent."),
    publicKey: jsonSchemaSchema
      .nullable()
      .default(null)
      .describe("JWK that secrets are sealed to (RSA-OAEP-256 or ECDH-ES); null for a plugin without secrets."),
    enablements: z
      .boolean()
      .default(false)
      .describe("Whether it is told, at POST /enablement, of each team that switches it on or off."),
  })
  .meta({ id: "Registration", description: "What a plugin says of itself.", examples: [registrationExample] });
export type Registration = z.input<typeof registrationSchema>;

/** Keys that an instance says it holds. */
const KEYS_MAX = 10;
const keyIdSchema = z.string().min(1).max(128);

/** `PUT /v1/plugins/{plugin}/instances/{instance}`: what the instance runs. All of it may be left out. */
export const heartbeatSchema = z
  .strictObject({
    version: registrationVersionSchema.optional().describe("The plugin's version that this instance runs."),
    keys: z.array(keyIdSchema).max(KEYS_MAX).optional().describe("The `kid` of each key that it opens secrets with."),
  })
  .meta({ id: "Heartbeat", description: "What the instance runs.", examples: [{ version: "1.4.0", keys: [] }] });
export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** The answer says until when it is counted. */
export const leaseResponseSchema = z
  .object({
    instance: instanceIdSchema,
    expiresAt: instantSchema.describe("Until when it is counted, unless it renews."),
    instances: z.int().nonnegative().describe("Live instances of the plugin, this one among them."),
    standing: z
      .object({
        version: z.string().describe("The version whose registration stands."),
        alive: z
          .boolean()
          .describe("Whether an instance of it may live: false when all that live say another version."),
      })
      .optional(),
  })
  .meta({
    id: "Lease",
    description: "An instance that is counted.",
    examples: [
      {
        instance: "sms-7d9f",
        expiresAt: "2026-03-01T12:00:15.000Z",
        instances: 2,
        standing: { version: "1.4.0", alive: true },
      },
    ],
  });

/** `PATCH /v1/plugins/{plugin}`: maintenance; or, for an admin, approval of a pending url or key. */
export const pluginPatchSchema = z
  .strictObject({
    status: z.enum(["enabled", "disabled"]).optional().describe("disabled is maintenance: its events wait."),
    approve: z
      .union([z.boolean(), z.array(waitingNameSchema).min(1).max(2)])
      .optional()
      .describe("An admin's word on changes that wait: true takes them, a list takes those, false drops them."),
  })
  .meta({
    id: "PluginChange",
    description: "At least one of the two.",
    examples: [{ status: "disabled" }],
  });

/** What an admin, or the plugin itself, sees. */
export const pluginViewSchema = z
  .object({
    id: pluginIdSchema,
    ...registrationSchema.shape,
    status: z.enum(["enabled", "disabled", "deregistered"]),
    up: z.boolean().describe("Whether at least one instance lives."),
    instances: z.array(
      z.object({
        id: z.string(),
        expiresAt: instantSchema,
        version: z.string().nullable().describe("The version it runs; null when it did not say."),
      }),
    ),
    instancesKnown: z.boolean().describe("false while Redis, which counts the instances, does not answer."),
    pendingApproval: waitingSchema,
    teamsToReseal: z
      .int()
      .nonnegative()
      .describe("Teams with secrets that the plugin has still to seal to its present key."),
    teamsEnabled: z.int().nonnegative().describe("Teams that have it enabled."),
    registeredAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({
    id: "Plugin",
    description: "A plugin as it sees itself, and an admin sees it.",
    examples: [
      {
        id: "sms",
        ...registrationExample,
        status: "enabled",
        up: true,
        instances: [{ id: "sms-7d9f", expiresAt: "2026-03-01T12:00:15.000Z", version: "1.4.0" }],
        instancesKnown: true,
        pendingApproval: [],
        teamsToReseal: 0,
        teamsEnabled: 12,
        registeredAt: "2026-02-01T09:00:00.000Z",
        updatedAt: "2026-03-01T11:58:00.000Z",
      },
    ],
  });
