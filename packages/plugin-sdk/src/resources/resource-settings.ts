import type { z } from "zod";
import type { ResourceMap } from "./resource.ts";

const PREFIX = /^[A-Z][A-Z0-9_]{0,31}$/;

/** `{SERVICE}` of a plugin's own variables: `google-sheets` has `GOOGLE_SHEETS_…`. */
function serviceOf(plugin: string): string {
  return plugin.toUpperCase().replaceAll("-", "_");
}

/**
 * The variables of a plugin's resources, `{SERVICE}_{PREFIX}_{NAME}`.
 * @throws Error when prefixes cannot be used or meet: the author's mistake, every problem at once.
 */
export function resourceEnvironment(plugin: string, resources: ResourceMap): z.ZodRawShape {
  const shape: Record<string, z.ZodRawShape[string]> = {};
  const problems: string[] = [];
  for (const [name, { prefix, settings }] of Object.entries(resources)) {
    if (!PREFIX.test(prefix)) problems.push(`${name}: the prefix "${prefix}" is not of ${PREFIX.source}`);
    for (const [setting, schema] of Object.entries(settings)) {
      const variable = variableOf(plugin, prefix, setting);
      if (Object.hasOwn(shape, variable)) problems.push(`${name}: ${variable} is another resource's too`);
      shape[variable] = schema;
    }
  }
  if (problems.length === 0) return shape;
  throw new Error(`the resources of ${plugin} are not declared well:\n${problems.map((one) => `  ${one}`).join("\n")}`);
}

/** What {@link resourceEnvironment} read, by each resource's name and its own settings' names. */
export function settingsByResource(
  plugin: string,
  resources: ResourceMap,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const own = (prefix: string, names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, values[variableOf(plugin, prefix, name)]]));
  return Object.fromEntries(
    Object.entries(resources).map(([name, { prefix, settings }]) => [name, own(prefix, Object.keys(settings))]),
  );
}

function variableOf(plugin: string, prefix: string, name: string): string {
  return `${serviceOf(plugin)}_${prefix}_${name}`;
}
