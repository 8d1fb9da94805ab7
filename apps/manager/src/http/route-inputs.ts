import { actionNameSchema, instanceIdSchema, pluginIdSchema, teamIdSchema } from "@plugboard/contract";
import { z } from "zod";
import type {} from "zod-openapi";

/** Parameters that several routes share. */
export const noParams = z.object({});
export const noQuery = z.strictObject({});
export const pluginParams = z.object({ plugin: pluginIdSchema });
export const instanceParams = z.object({ plugin: pluginIdSchema, instance: instanceIdSchema });
export const teamParams = z.object({ team: teamIdSchema });
export const teamPluginParams = z.object({ team: teamIdSchema, plugin: pluginIdSchema });
export const actionParams = z.object({ team: teamIdSchema, plugin: pluginIdSchema, name: actionNameSchema });

/** Rows per page when the caller does not say, and at most. */
const PAGE_ROWS_USUAL = 100;
const PAGE_ROWS_MAX = 500;

/** `?after=<last id of the page before>&limit=` */
export const pageQuery = z.strictObject({
  after: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, "must be the `next` of the page before")
    .optional()
    .describe("The `next` of the page before."),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, `must be a whole number of 1 to ${PAGE_ROWS_MAX}`)
    .transform(Number)
    .pipe(z.number().max(PAGE_ROWS_MAX, `must be at most ${PAGE_ROWS_MAX}`))
    .default(PAGE_ROWS_USUAL)
    .meta({
      description: "Rows per page.",
      // In a query everything is text; what it says is a number.
      override: ({ jsonSchema }) => {
        for (const key of Object.keys(jsonSchema)) if (key !== "description") delete jsonSchema[key as "type"];
        Object.assign(jsonSchema, { type: "integer", minimum: 1, maximum: PAGE_ROWS_MAX, default: PAGE_ROWS_USUAL });
      },
    }),
});

export type PageQuery = z.output<typeof pageQuery>;

/** A page, and where the next one starts: `next` is null at the end. */
export function page<Row, Item>(
  rows: readonly Row[],
  { limit }: PageQuery,
  idOf: (row: Row) => string,
  itemOf: (row: Row) => Item,
): { items: Item[]; next: string | null } {
  const last = rows.at(-1);
  return { items: rows.map(itemOf), next: rows.length === limit && last !== undefined ? idOf(last) : null };
}
