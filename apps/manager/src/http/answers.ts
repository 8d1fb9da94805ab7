import {
  instanceIdSchema,
  nextPageSchema,
  pluginIdSchema,
  pluginViewSchema,
  registrationResponseSchema,
  routingStateSchema,
  teamIdSchema,
  teamPluginQuotaSchema,
  teamPluginViewSchema,
  teamQuotaSchema,
} from "@plugboard/contract";
import { z } from "zod";

/** Answers that are made of the contract's schemas. */
function exampleOf(schema: z.ZodType): object {
  const [example] = (schema.meta() as { examples?: object[] } | undefined)?.examples ?? [];
  if (example === undefined) throw new Error("the schema has no example");
  return example;
}

const pluginExample = exampleOf(pluginViewSchema);
export const pluginPage = z.object({ items: z.array(pluginViewSchema), next: nextPageSchema }).meta({
  id: "PluginPage",
  description: "Plugins by id.",
  examples: [{ items: [pluginExample], next: null }],
});
export const routedPlugin = pluginViewSchema.extend({ routing: routingStateSchema }).meta({
  id: "RoutedPlugin",
  description: "The plugin, and whether routers know the change.",
  examples: [{ ...pluginExample, routing: "current" }],
});
export const routedRegistration = registrationResponseSchema
  .extend({ routing: routingStateSchema })
  .meta({ ...registrationResponseSchema.meta(), id: "RegistrationAnswer" });
export const deregistration = z
  .object({
    id: pluginIdSchema,
    status: z.literal("deregistered"),
    topics: z.enum(["kept", "deleting"]),
    routing: routingStateSchema,
  })
  .meta({
    id: "Deregistration",
    description: "What becomes of the plugin's topics, and whether routers know that it is gone.",
    examples: [{ id: "sms", status: "deregistered", topics: "kept", routing: "current" }],
  });
export const goodbye = z.object({ instance: instanceIdSchema, instances: z.int().nonnegative() }).meta({
  id: "Goodbye",
  description: "How many instances are left.",
  examples: [{ instance: "sms-7d9f", instances: 1 }],
});

const teamPluginExample = exampleOf(teamPluginViewSchema);
export const routedTeamPlugin = teamPluginViewSchema.extend({ routing: routingStateSchema }).meta({
  id: "RoutedTeamPlugin",
  description: "The plugin as the team sees it, and whether routers know the change.",
  examples: [{ ...teamPluginExample, routing: "current" }],
});
export const teamPluginPage = z.object({ items: z.array(teamPluginViewSchema), next: nextPageSchema }).meta({
  id: "TeamPluginPage",
  description: "Plugins by id.",
  examples: [{ items: [teamPluginExample], next: null }],
});
export const quotaAnswer = z
  .object({ team: teamIdSchema, ...teamQuotaSchema.shape, routing: routingStateSchema })
  .meta({
    id: "TeamQuotaAnswer",
    description: "The limit as stored, and whether routers know it.",
    examples: [{ team: "nutrition-kenya", quota: { eventsPerSecond: 50, burst: 500 }, routing: "current" }],
  });
export const pluginQuotaAnswer = z
  .object({
    team: teamIdSchema,
    plugin: pluginIdSchema,
    ...teamPluginQuotaSchema.shape,
    routing: routingStateSchema,
  })
  .meta({
    id: "TeamPluginQuotaAnswer",
    description: "The limit at this plugin as stored, and whether routers know it.",
    examples: [
      { team: "nutrition-kenya", plugin: "sms", quota: { eventsPerSecond: 5, burst: 50 }, routing: "current" },
    ],
  });
