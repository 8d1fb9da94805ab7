import { secret } from "@plugboard/plugin-sdk";
import { z } from "zod";

/** Google's own limits for a sheet's name and for columns in a sheet. */
export const SHEET_TITLE_LENGTH_MAX = 100;
export const COLUMNS_MAX = 18_278;

/** What a team sets for its rows. */
export const settingsSchema = z.strictObject({
  spreadsheetId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{10,128}$/, "is the part of the document's address between /d/ and /edit")
    .meta({ description: "The part of the document's address between /d/ and /edit." }),
  sheet: z
    .string()
    .min(1)
    .max(SHEET_TITLE_LENGTH_MAX)
    .optional()
    .meta({ description: "Name of the sheet (tab); one per form, named like the form, if left out." }),
  serviceAccount: secret(
    z.string().min(2).max(20_000).meta({ description: "The service account's key file: its whole JSON, as text." }),
  ),
  columns: z
    .array(z.strictObject({ answer: z.string().min(1).max(256), title: z.string().min(1).max(1_000).optional() }))
    .min(1)
    .max(5_000)
    .optional()
    .meta({ description: "Only these answers, under these column titles; all answers, titled by id, if left out." }),
});

export type SheetsSettings = z.output<typeof settingsSchema>;
