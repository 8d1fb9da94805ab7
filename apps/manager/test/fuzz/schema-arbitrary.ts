import fc, { type Arbitrary } from "fast-check";

// biome-ignore lint/suspicious/noExplicitAny: a JSON Schema is looked into as any reader of JSON would.
type Json = any;

/** Fields, by name, whose values mean more than their schema says. */
export type FieldArbitraries = Readonly<Record<string, Arbitrary<unknown>>>;

/**
 * Values that a JSON Schema takes, for the keywords that the manager's document uses; an unknown one is an error here,
 * so that nothing is generated past a rule. Own fields come from `fields` where they are named there.
 */
export function schemaArbitrary(schema: Json, root: Json, fields: FieldArbitraries): Arbitrary<unknown> {
  const inner = (node: Json) => schemaArbitrary(node, root, fields);
  if (schema.$ref !== undefined) {
    const target = (schema.$ref as string)
      .slice(2)
      .split("/")
      .reduce((node, part) => node[part], root);
    return inner(target);
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map(inner));
  switch (schema.type) {
    case "string":
      return textArbitrary(schema);
    case "integer":
      return fc.integer({ min: Math.max(schema.minimum ?? 0, -1e9), max: Math.min(schema.maximum ?? 1e9, 1e9) });
    case "number":
      return fc.double({
        min: schema.exclusiveMinimum ?? schema.minimum ?? 0,
        minExcluded: true,
        noNaN: true,
        noDefaultInfinity: true,
      });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(inner(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      });
    case "object":
      return objectArbitrary(schema, inner, fields);
    case undefined:
      return fc.jsonValue({ maxDepth: 3 });
    default:
      throw new Error(`no values are made for the type ${schema.type}`);
  }
}

function textArbitrary({ pattern, format, minLength = 0, maxLength = 60 }: Json): Arbitrary<unknown> {
  if (format === "date-time")
    return fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString());
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  if (format === "uri") return fc.webUrl();
  return fc
    .string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, minLength + 60) })
    .filter((text) => text.length <= maxLength);
}

function objectArbitrary(schema: Json, inner: (node: Json) => Arbitrary<unknown>, fields: FieldArbitraries) {
  const names = Object.keys(schema.properties ?? {});
  if (names.length === 0)
    return fc.dictionary(fc.string({ maxLength: 12 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
  const model = Object.fromEntries(names.map((name) => [name, fields[name] ?? inner(schema.properties[name])]));
  return fc.record(model, { requiredKeys: schema.required ?? [] });
}
