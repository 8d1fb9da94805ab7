import type { Registration } from "@plugboard/contract";
import { registrationSchema } from "@plugboard/contract";
import { problemsOf } from "@plugboard/runtime";
import type { JWK } from "jose";
import { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import { wantsEnablements } from "../enablement/enablement-loop.ts";

/** A registration with every field filled in. */
export type FullRegistration = z.output<typeof registrationSchema>;

/** A zod schema as the JSON Schema of what may be sent: before defaults and transforms. */
export function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const {
    $schema: _,
    "~standard": __,
    ...rest
  } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Record<string, unknown>;
  return rest;
}

/** Whether any field, at any depth, is marked as a secret. */
export function hasSecrets(jsonSchema: unknown): boolean {
  if (typeof jsonSchema !== "object" || jsonSchema === null) return false;
  if (!Array.isArray(jsonSchema) && (jsonSchema as Record<string, unknown>).writeOnly === true) return true;
  return Object.values(jsonSchema).some(hasSecrets);
}

/**
 * What the manager is told of a plugin, made from its definition.
 * @throws Error when the definition cannot be registered: the author's mistake, every problem at once.
 */
export function registrationBody<Schema extends z.ZodObject>(
  definition: PluginDefinition<Schema>,
  url: string,
  publicKey: JWK | null,
): FullRegistration {
  const { metadata, execute, actions = {} } = definition;
  const body: Registration = {
    name: metadata.name,
    description: metadata.description,
    url,
    version: metadata.version,
    events: [...metadata.events],
    settings: jsonSchemaOf(definition.settings),
    actions: Object.entries(actions).map(([name, action]) => ({
      name,
      description: action.description,
      input: jsonSchemaOf(action.input),
    })),
    sync: execute === undefined ? null : { deadlineMs: execute.deadlineMs },
    priorityEvents: [...(metadata.priorityEvents ?? [])],
    publicKey: publicKey as Record<string, unknown> | null,
    enablements: wantsEnablements(definition),
  };
  const result = registrationSchema.safeParse(body);
  const problems = result.success ? [] : problemsOf(result.error.issues);
  const lines = [...problems, ...handlerProblems(definition), ...identityProblems(definition)].map(
    ({ path, message }) => `  ${path}: ${message}`,
  );
  if (result.success && lines.length === 0) return result.data;
  throw new Error(`plugin ${metadata.id} is not defined well:\n${lines.join("\n")}`);
}

/** What needs the record of a delivery, of a plugin that wants none. */
function identityProblems<Schema extends z.ZodObject>({
  identity,
  revisions,
  redeliver,
  resolveUnknown,
}: PluginDefinition<Schema>) {
  const without = 'needs the record of a delivery, and identity is "none"';
  return [
    { path: "/revisions", message: `"latest" ${without}: say revisions: "all"`, found: revisions !== "all" },
    { path: "/redeliver", message: `"unsafe" ${without}`, found: redeliver === "unsafe" },
    { path: "/resolveUnknown", message: without, found: resolveUnknown !== undefined },
  ].filter(({ found }) => identity === "none" && found);
}

/** Of a batch: what waits for its place is in memory, and its window waits with it. */
const BATCH_ITEMS_MAX = 500;
const BATCH_WAIT_MS_MAX = 2_000;

function handlerProblems<Schema extends z.ZodObject>({
  onEvent,
  onBatch,
  batch: { itemsMax = 1, waitMsMax = 0 } = {},
}: PluginDefinition<Schema>) {
  const within = (value: number, min: number, max: number) => Number.isInteger(value) && value >= min && value <= max;
  const problem = (path: string, message: string) => ({ path, message });
  return [
    ...(onEvent !== undefined && onBatch !== undefined
      ? [problem("/onBatch", "is there beside onEvent: one of them")]
      : []),
    ...(within(itemsMax, 1, BATCH_ITEMS_MAX) ? [] : [problem("/batch/itemsMax", `must be 1 to ${BATCH_ITEMS_MAX}`)]),
    ...(within(waitMsMax, 0, BATCH_WAIT_MS_MAX)
      ? []
      : [problem("/batch/waitMsMax", `must be 0 to ${BATCH_WAIT_MS_MAX}`)]),
  ];
}
