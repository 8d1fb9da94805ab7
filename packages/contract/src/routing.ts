import { z } from "zod";
import { eventNameSchema, formIdSchema, pluginIdSchema, teamIdSchema } from "./ids.ts";

/**
 * The routing table: what the manager publishes to Redis and routers, the gateway and plugins read.
 *
 *   {pb}:plugin:<id>  PluginEntry      one per plugin, also after deregistration (`state`), so that versions go on
 *   {pb}:team:<team>  TeamEntry        one per team that ever enabled a plugin
 *   {pb}:seq          integer          counts changes of this epoch; the stream's ids are `<seq>-0`
 *   {pb}:changes      stream           field `key` (`plugin:<id>` | `team:<team>`), field `entry` (the same JSON)
 *   {pb}:epoch        text             exists only while the table is complete; a rebuild makes a new one
 *
 * `v` is the entry's own version: it grows with every change of that entry in Postgres, and an older entry never
 * replaces a newer one.
 */

/** Plugins a team may have enabled at once; bounds an entry's size and an event's fan-out. */
export const TEAM_PLUGINS_MAX = 200;
/** Entries kept in the change stream (approximate trimming); a reader further behind drops its L1. */
export const CHANGES_KEPT_MAX = 10_000;
/** Teams or plugins per `/internal/routes` call. */
export const ROUTES_REQUEST_MAX = 1_000;
/** Longest filter expression, in characters. */
export const FILTER_LENGTH_MAX = 2_000;

export const deliveryModeSchema = z.enum(["async", "sync", "both"]);
/** How a team's enabled plugin gets a response: by Kafka, inside the submit, or both. */
export type DeliveryMode = z.infer<typeof deliveryModeSchema>;

export const onFailureSchema = z.enum(["open", "closed"]);
/** What a failing sync plugin means for the submit: accepted all the same, or not accepted. */
export type OnFailure = z.infer<typeof onFailureSchema>;

export const laneSchema = z.enum(["priority", "live", "bulk"]);
/**
 * Which of a plugin's topics a copy goes to: what is urgent, what comes as it comes, and what is imported, replayed or over
 * its team's quota. See docs/decisions/0073.
 */
export type Lane = z.infer<typeof laneSchema>;
/** The most urgent first. */
export const LANES = laneSchema.options;

/** Largest burst of a quota, events. */
const QUOTA_BURST_MAX = 1_000_000_000;

/** How many events a team may have delivered to a plugin as they come; what is over it takes the bulk lane. */
export const quotaSchema = z.object({
  eventsPerSecond: z.number().positive(),
  burst: z.int().positive().max(QUOTA_BURST_MAX),
});
export type Quota = z.infer<typeof quotaSchema>;

export const pluginEntrySchema = z.object({
  v: z.int().nonnegative(),
  events: z.array(eventNameSchema),
  priorityEvents: z.array(eventNameSchema),
  sync: z.object({ url: z.url(), deadlineMs: z.int().positive() }).nullable(),
  /** `disabled` is maintenance: still routed, waits in its topic, left out of the sync path. */
  state: z.enum(["enabled", "disabled", "deregistered"]),
});
/** What routing needs to know of a plugin, whatever the team. */
export type PluginEntry = z.infer<typeof pluginEntrySchema>;

export const teamRouteSchema = z.object({
  id: pluginIdSchema,
  /** False while the plugin's settings for this team are missing, pending or refused: enabled, but not routed. */
  ready: z.boolean(),
  /** Only these forms; null for all. */
  forms: z.array(formIdSchema).nullable(),
  /** A CEL expression over `event`, `data` and `answers`; null for every event. */
  filter: z.string().max(FILTER_LENGTH_MAX).nullable(),
  mode: deliveryModeSchema,
  onFailure: onFailureSchema,
  quota: quotaSchema.nullable(),
});
/** One enabled plugin of a team. */
export type TeamRoute = z.infer<typeof teamRouteSchema>;

export const teamEntrySchema = z.object({
  v: z.int().nonnegative(),
  plugins: z.array(teamRouteSchema).max(TEAM_PLUGINS_MAX),
});
/** A team's enabled plugins. A plugin that is not listed is not enabled. */
export type TeamEntry = z.infer<typeof teamEntrySchema>;

/** Names of the keys; the braces make Redis Cluster keep them in one slot, as one script needs. */
export function routingKeys(namespace = "pb") {
  const root = `{${namespace}}`;
  return {
    seq: `${root}:seq`,
    changes: `${root}:changes`,
    epoch: `${root}:epoch`,
    plugin: (id: string) => `${root}:plugin:${id}`,
    team: (id: string) => `${root}:team:${id}`,
    /** From the `key` field of a change to the full key. */
    ofChange: (key: string) => `${root}:${key}`,
  } as const;
}

/** L3: `POST /internal/routes`. */
export const routesRequestSchema = z
  .strictObject({
    teams: z.array(teamIdSchema).max(ROUTES_REQUEST_MAX).default([]),
    plugins: z.array(pluginIdSchema).max(ROUTES_REQUEST_MAX).default([]),
  })
  .meta({
    id: "RoutesQuestion",
    description: "Whose entries are asked for.",
    examples: [{ teams: ["nutrition-kenya"], plugins: ["sms"] }],
  });
export type RoutesRequest = z.input<typeof routesRequestSchema>;

/** Its answer: every id asked for is present; null means that the manager knows none such. */
export const routesResponseSchema = z
  .object({
    teams: z.record(z.string(), teamEntrySchema.nullable()),
    plugins: z.record(z.string(), pluginEntrySchema.nullable()),
  })
  .meta({
    id: "Routes",
    description: "Every id asked for is there; null means that the manager knows none such.",
    examples: [
      {
        teams: {
          "nutrition-kenya": {
            v: 3,
            plugins: [
              {
                id: "sms",
                ready: true,
                forms: null,
                filter: "answers.age >= 18",
                mode: "async",
                onFailure: "open",
                quota: null,
              },
            ],
          },
        },
        plugins: { sms: { v: 1, events: ["onResponse"], priorityEvents: [], sync: null, state: "enabled" } },
      },
    ],
  });
export type RoutesResponse = z.infer<typeof routesResponseSchema>;
