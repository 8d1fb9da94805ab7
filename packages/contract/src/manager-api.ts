import { z } from "zod";
import { actionNameSchema, eventNameSchema, formIdSchema, pluginIdSchema, teamIdSchema } from "./ids.ts";
import { deliveryModeSchema, FILTER_LENGTH_MAX, onFailureSchema, quotaSchema } from "./routing.ts";

/** How long a heartbeat keeps an instance counted, in seconds; instances renew at a third of it. */
export const LEASE_SECONDS = 15;
/** A field of a team's settings that was sealed at the edge: `{"$sealed":"<compact JWE>"}`. */
export const SEALED_FIELD = "$sealed";

const jsonSchema = z.record(z.string(), z.unknown());

/** An action a team may call through the manager. */
export const actionSchema = z.strictObject({
  name: actionNameSchema,
  description: z.string().max(2_000).default(""),
  input: jsonSchema.default({ type: "object" }),
});

/** `PUT /v1/plugins/{plugin}`, and what a plugin serves at `GET /metadata` (with its id). */
export const registrationSchema = z.strictObject({
  name: z.string().min(1).max(200),
  description: z.string().max(2_000),
  /** Where the manager reaches the plugin: http or https. */
  url: z.url({ protocol: /^https?$/ }),
  version: z.string().min(1).max(64),
  events: z.array(eventNameSchema).max(100),
  settings: jsonSchema,
  actions: z.array(actionSchema).max(100).default([]),
  sync: z
    .strictObject({ deadlineMs: z.int().min(10).max(10_000) })
    .nullable()
    .default(null),
  priorityEvents: z.array(eventNameSchema).max(100).default([]),
  /** JWK that settings marked writeOnly are sealed to (RSA-OAEP-256 or ECDH-ES); null for a plugin without secrets. */
  publicKey: jsonSchema.nullable().default(null),
});
export type Registration = z.input<typeof registrationSchema>;

export const registrationResponseSchema = z.object({
  id: pluginIdSchema,
  topics: z.object({ live: z.string(), priority: z.string(), bulk: z.string(), deadLetter: z.string() }),
  leaseSeconds: z.number(),
  /** Standard Webhooks secret (`whsec_…`) that manager → plugin calls are signed with. */
  webhookSecret: z.string(),
  /** Changes that an admin has to approve first: of `url`, `publicKey`. */
  pendingApproval: z.array(z.enum(["url", "publicKey"])),
});
export type RegistrationResponse = z.infer<typeof registrationResponseSchema>;

/** `PUT /v1/plugins/{plugin}/instances/{instance}`: the answer says until when it is counted. */
export const leaseResponseSchema = z.object({ instance: z.string(), expiresAt: z.string(), instances: z.int() });

/** `PATCH /v1/plugins/{plugin}`: maintenance; or, for an admin, approval of a pending url or key. */
export const pluginPatchSchema = z.strictObject({
  status: z.enum(["enabled", "disabled"]).optional(),
  approve: z.boolean().optional(),
});

export const settingsStateSchema = z.enum(["not-required", "missing", "pending", "applied", "refused"]);
export type SettingsState = z.infer<typeof settingsStateSchema>;

/** A problem inside a body: JSON pointer and one sentence. */
export const problemItemSchema = z.object({ path: z.string(), message: z.string() });
export type ProblemItem = z.infer<typeof problemItemSchema>;

/** What a team sees of a plugin: never its url, instances or events. */
export const teamPluginViewSchema = z.object({
  id: pluginIdSchema,
  name: z.string(),
  description: z.string(),
  status: z.enum(["up", "down"]),
  enabled: z.boolean(),
  forms: z.array(formIdSchema).nullable(),
  filter: z.string().nullable(),
  mode: deliveryModeSchema,
  onFailure: onFailureSchema,
  settings: z.object({
    state: settingsStateSchema,
    /** As stored, with every secret left out. */
    values: z.record(z.string(), z.unknown()),
    reasons: z.array(problemItemSchema),
    version: z.int(),
  }),
  /** JSON Schema of the settings, for forms. */
  settingsSchema: jsonSchema,
  actions: z.array(actionSchema),
});
export type TeamPluginView = z.infer<typeof teamPluginViewSchema>;

/** What an admin, or the plugin itself, sees. */
export const pluginViewSchema = z.object({
  id: pluginIdSchema,
  ...registrationSchema.shape,
  status: z.enum(["enabled", "disabled", "deregistered"]),
  up: z.boolean(),
  instances: z.array(z.object({ id: z.string(), expiresAt: z.string() })),
  pendingApproval: z.array(z.enum(["url", "publicKey"])),
  teamsEnabled: z.int(),
  registeredAt: z.string(),
  updatedAt: z.string(),
});

/** `PUT /v1/teams/{team}/plugins/{plugin}`; what is left out keeps its value (null clears). */
export const enablementSchema = z.strictObject({
  enabled: z.boolean(),
  forms: z.array(formIdSchema).min(1).max(1_000).nullable().optional(),
  filter: z.string().min(1).max(FILTER_LENGTH_MAX).nullable().optional(),
  mode: deliveryModeSchema.optional(),
  onFailure: onFailureSchema.optional(),
});
export type Enablement = z.input<typeof enablementSchema>;

/** `PUT /v1/teams/{team}/plugins/{plugin}/config`: the object the plugin's schema describes. */
export const settingsSchema = z.record(z.string(), z.unknown());

/** `PUT /v1/teams/{team}/quota`; null lifts it. */
export const teamQuotaSchema = z.strictObject({ quota: quotaSchema.nullable() });

export const tokenRequestSchema = z.strictObject({
  role: z.enum(["plugin", "team", "core", "router"]),
  /** Whose token: the plugin's or team's id; a name for core and router. */
  subject: z.string().regex(/^[a-z0-9-]{1,64}$/, "1 to 64 characters of a-z, 0-9 and -"),
  /** How long it is valid; a year unless said. */
  expiresInSeconds: z.int().min(60).max(31_536_000).optional(),
});
export type TokenRequest = z.infer<typeof tokenRequestSchema>;
export const tokenResponseSchema = z.object({ token: z.string(), expiresAt: z.string() });

/** Manager → plugin, `POST /initialize` (signed): a team's settings, secrets still sealed. */
export const initializeRequestSchema = z.strictObject({
  team: teamIdSchema,
  /** Grows with every PUT of this team's settings: an older one never replaces a newer one. */
  version: z.int().nonnegative(),
  settings: settingsSchema,
});
export type InitializeRequest = z.infer<typeof initializeRequestSchema>;

/** The plugin's verdict. Anything but 200 with this body is tried again. */
export const initializeResponseSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("applied"), version: z.int() }),
  z.object({ status: z.literal("refused"), version: z.int(), reasons: z.array(problemItemSchema).min(1) }),
]);
export type InitializeResponse = z.infer<typeof initializeResponseSchema>;

/** `GET /v1/plugins/{plugin}/settings?after=<team>&limit=`: for a plugin that starts with an empty database. */
export const pluginSettingsPageSchema = z.object({
  items: z.array(
    z.object({ team: teamIdSchema, version: z.int(), state: settingsStateSchema, settings: settingsSchema }),
  ),
  /** Pass as `after` for the next page; null at the end. */
  next: z.string().nullable(),
});

/** Manager → plugin, `POST /actions/{name}` (signed); the answer is passed to the team as it is. */
export const actionRequestSchema = z.strictObject({ team: teamIdSchema, input: z.record(z.string(), z.unknown()) });
export type ActionRequest = z.infer<typeof actionRequestSchema>;
export const actionResponseSchema = z.object({ output: z.unknown() });
