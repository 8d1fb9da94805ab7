import { z } from "zod";
import { formIdSchema, pluginIdSchema, teamIdSchema } from "./ids.ts";
import { actionSchema, instantSchema, jsonSchemaSchema, nextPageSchema } from "./registry-api.ts";
import { deliveryModeSchema, FILTER_LENGTH_MAX, onFailureSchema, quotaSchema } from "./routing.ts";

/** A field of a team's settings that was sealed at the edge: `{"$sealed":"<compact JWE>"}`. */
export const SEALED_FIELD = "$sealed";

export const settingsStateSchema = z.enum(["not-required", "missing", "pending", "applied", "refused"]).meta({
  id: "SettingsState",
  description:
    "not-required: the plugin needs none; missing: it needs some and has none; pending: it has not answered yet; applied, refused: its verdict.",
});
export type SettingsState = z.infer<typeof settingsStateSchema>;

/** A problem inside a body: JSON pointer and one sentence. */
export const problemItemSchema = z
  .object({ path: z.string(), message: z.string() })
  .meta({ description: "One thing that is wrong: the JSON pointer of its place, and a sentence." });
export type ProblemItem = z.infer<typeof problemItemSchema>;

const teamPluginExample = {
  id: "sms",
  name: "Text messages",
  description: "Texts the person interviewed.",
  status: "up",
  enabled: true,
  forms: null,
  filter: "answers.age >= 18",
  mode: "async",
  onFailure: "open",
  settings: { state: "applied", values: { sender: "Survey" }, reasons: [], version: 1 },
  settingsSchema: {
    type: "object",
    properties: { sender: { type: "string" }, apiKey: { type: "string", writeOnly: true } },
    required: ["sender"],
  },
  actions: [{ name: "send-test", description: "Sends one text.", input: { type: "object" } }],
} as const;

/** What a team sees of a plugin: never its url, instances or events. */
export const teamPluginViewSchema = z
  .object({
    id: pluginIdSchema,
    name: z.string(),
    description: z.string(),
    status: z.enum(["up", "down"]).describe("up: it is not in maintenance and at least one instance lives."),
    enabled: z.boolean(),
    forms: z.array(formIdSchema).nullable().describe("Only these forms; null for all."),
    filter: z.string().nullable().describe("Only events that this CEL expression takes; null for all."),
    mode: deliveryModeSchema,
    onFailure: onFailureSchema,
    settings: z.object({
      state: settingsStateSchema,
      values: z.record(z.string(), z.unknown()).describe("As stored, with every secret left out."),
      reasons: z.array(problemItemSchema).describe("Why the plugin refused them."),
      version: z.int().nonnegative().describe("Grows by one with every PUT of the settings."),
    }),
    settingsSchema: jsonSchemaSchema.describe("JSON Schema of the settings."),
    actions: z.array(actionSchema),
  })
  .meta({ id: "TeamPlugin", description: "A plugin as a team sees it.", examples: [teamPluginExample] });
export type TeamPluginView = z.infer<typeof teamPluginViewSchema>;

/** `PUT /v1/teams/{team}/plugins/{plugin}`; what is left out keeps its value (null clears). */
export const enablementSchema = z
  .strictObject({
    enabled: z.boolean(),
    forms: z.array(formIdSchema).min(1).max(1_000).nullable().optional().describe("Only these forms; null for all."),
    filter: z
      .string()
      .min(1)
      .max(FILTER_LENGTH_MAX)
      .nullable()
      .optional()
      .describe("A CEL expression over event, data and answers; null for every event."),
    mode: deliveryModeSchema.optional(),
    onFailure: onFailureSchema.optional(),
  })
  .meta({
    id: "Enablement",
    description: "What is left out keeps its value; null clears it.",
    examples: [{ enabled: true, filter: "answers.age >= 18" }],
  });
export type Enablement = z.input<typeof enablementSchema>;

/** `PUT /v1/teams/{team}/plugins/{plugin}/config`: the object the plugin's schema describes. */
export const settingsSchema = z.record(z.string(), z.unknown()).meta({
  id: "Settings",
  description: "The object that the plugin's settings schema describes.",
  examples: [{ sender: "Survey", apiKey: "not-a-real-key" }],
});

/** `PUT /v1/teams/{team}/quota`; null lifts it. */
export const teamQuotaSchema = z.strictObject({ quota: z.strictObject(quotaSchema.shape).nullable() }).meta({
  id: "TeamQuota",
  description: "null lifts the limit.",
  examples: [{ quota: { eventsPerSecond: 50, burst: 500 } }],
});

/** `PUT /v1/teams/{team}/plugins/{plugin}/quota`; null gives the plugin back to the team's. */
export const teamPluginQuotaSchema = z.strictObject(teamQuotaSchema.shape).meta({
  id: "TeamPluginQuota",
  description:
    "The team's limit at this plugin, in place of the one that it has at each of its plugins; null for that one.",
  examples: [{ quota: { eventsPerSecond: 5, burst: 50 } }],
});

export const tokenRequestSchema = z
  .strictObject({
    role: z.enum(["plugin", "team", "core", "router"]),
    subject: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, "1 to 64 characters of a-z, 0-9 and -")
      .describe("Whose token: the plugin's or team's id; a name for core and router."),
    expiresInSeconds: z.int().min(60).max(31_536_000).optional().describe("How long it is valid; a year unless said."),
  })
  .meta({
    id: "TokenRequest",
    description: "Whose credential to make.",
    examples: [{ role: "team", subject: "nutrition-kenya", expiresInSeconds: 86_400 }],
  });
export type TokenRequest = z.infer<typeof tokenRequestSchema>;
export const tokenResponseSchema = z.object({ token: z.string(), expiresAt: instantSchema }).meta({
  id: "Token",
  description: "A credential. It is told once and stored nowhere.",
  examples: [{ token: "eyJhbGciOiJIUzI1NiJ9.e30.x", expiresAt: "2026-03-02T12:00:00.000Z" }],
});

/** Manager → plugin, `POST /initialize` (signed): a team's settings, secrets still sealed. */
export const initializeRequestSchema = z.strictObject({
  team: teamIdSchema,
  /** Grows with every PUT of this team's settings: an older one never replaces a newer one. */
  version: z.int().nonnegative(),
  settings: settingsSchema,
});
export type InitializeRequest = z.infer<typeof initializeRequestSchema>;

/**
 * Header of a call that is for one version of a plugin, percent-encoded. An instance of another answers 503, for the verdict of a
 * version counts whose schema the manager has checked with.
 */
export const PLUGIN_VERSION_HEADER = "pb-plugin-version";

/** The plugin's verdict. Anything but 200 with this body is tried again. */
export const initializeResponseSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("applied"), version: z.int() }),
  z.object({ status: z.literal("refused"), version: z.int(), reasons: z.array(problemItemSchema).min(1) }),
]);
export type InitializeResponse = z.infer<typeof initializeResponseSchema>;

/** Manager → plugin, `POST /enablement` (signed), for a plugin that registered `enablements`. */
export const enablementChangeSchema = z.object({
  team: teamIdSchema,
  /** Counts the team's changes of it: with plugin and team, the change's identity. */
  version: z.int().positive(),
  enabled: z.boolean(),
});
export type EnablementChange = z.infer<typeof enablementChangeSchema>;

/** What became of it: `working` until the plugin has done with it, one way or the other; it is told again until then. */
export const enablementAnswerSchema = z.object({
  status: z.enum(["done", "working", "failed"]),
  version: z.int(),
  reason: z.string().nullable().default(null),
});
export type EnablementAnswer = z.infer<typeof enablementAnswerSchema>;

/** Seals that one team's settings for one plugin can hold. */
const SEALS_MAX = 10_000;

/** Manager → plugin, `POST /reseal` (signed), after the plugin's key was changed: what was sealed to an earlier one. */
export const resealRequestSchema = z.object({
  team: teamIdSchema,
  /** The `kid` of the key that they are to be sealed to. */
  key: z.string(),
  seals: z.array(z.string()).max(SEALS_MAX),
});
export type ResealRequest = z.infer<typeof resealRequestSchema>;

/** The same secrets in the same order, sealed to that key; null for one that the plugin has no key to. */
export const resealResponseSchema = z.object({ seals: z.array(z.string().nullable()).max(SEALS_MAX) });
export type ResealResponse = z.infer<typeof resealResponseSchema>;

/** `GET /v1/plugins/{plugin}/settings?after=<team>&limit=`: for a plugin that starts with an empty database. */
export const pluginSettingsPageSchema = z
  .object({
    items: z.array(
      z.object({
        team: teamIdSchema,
        version: z.int().nonnegative(),
        state: settingsStateSchema,
        settings: settingsSchema,
      }),
    ),
    next: nextPageSchema,
  })
  .meta({
    id: "PluginSettingsPage",
    description: "Teams' settings for one plugin, as stored: secrets are sealed to its key.",
    examples: [
      {
        items: [{ team: "nutrition-kenya", version: 1, state: "applied", settings: { apiKey: { $sealed: "eyJ…" } } }],
        next: null,
      },
    ],
  });

/** Manager → plugin, `POST /actions/{name}` (signed); the answer is passed to the team as it is. */
export const actionRequestSchema = z.strictObject({ team: teamIdSchema, input: z.record(z.string(), z.unknown()) });
export type ActionRequest = z.infer<typeof actionRequestSchema>;
export const actionResponseSchema = z.object({ output: z.unknown() }).meta({
  id: "ActionAnswer",
  description: "Whatever the plugin answered.",
  examples: [{ output: { sent: 1 } }],
});
