import type { z } from "zod";

/** Marks a settings field as a secret: `"writeOnly": true` in the JSON Schema, so it is sealed at the manager's edge. */
export function secret<T extends z.ZodType>(schema: T): T {
  return schema.meta({ ...schema.meta(), writeOnly: true }) as T;
}
