import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { conformance, forwardTo } from "@plugboard/plugin-sdk/conformance";
import { type GoogleSheetsEmulator, type Spreadsheet, startGoogleSheetsEmulator } from "@plugboard/testkit";

const SHEET = "Sheet1";
const json = { "content-type": "application/json" };
const googleError = (code: number, status: string, message: string) =>
  JSON.stringify({ error: { code, message, status } });

let google: GoogleSheetsEmulator;
const documents = new Map<string, Spreadsheet>();
beforeAll(async () => {
  google = await startGoogleSheetsEmulator({ quotaPerMinute: Number.POSITIVE_INFINITY });
});
afterAll(() => google.stop());

/** Each team has a document of its own. */
function documentOf(team: string): Spreadsheet {
  const known = documents.get(team) ?? google.createSpreadsheet();
  documents.set(team, known);
  return known;
}

/** In all documents. */
function rowsOf(response: string): number {
  const grids = [...documents.values()].flatMap(({ sheets }) => sheets);
  return grids
    .flatMap((grid) => Array.from({ length: grid.lastRow }, (_, row) => grid.row(row)))
    .filter((cells) => cells.includes(response)).length;
}

describe("the Google Sheets plugin conforms to the protocol", () => {
  conformance(
    { test, beforeAll, afterAll },
    {
      id: "google-sheets",
      process: {
        command: process.execPath,
        args: ["--conditions=source", join(import.meta.dirname, "..", "src", "main.ts")],
        environment: (given, vendorUrl) => ({ ...given, GOOGLE_SHEETS_GOOGLE_BASE_URL: vendorUrl }),
      },
      effect: "at-least-once",
      revisions: "latest",
      vendor: {
        done: (request) => forwardTo(google.url, request),
        notNow: { status: 503, headers: json, body: googleError(503, "UNAVAILABLE", "The service is unavailable.") },
        refused: { status: 403, headers: json, body: googleError(403, "PERMISSION_DENIED", "No permission.") },
      },
      settings: (team) => {
        const settings = { sheet: SHEET, serviceAccount: JSON.stringify(google.serviceAccount) };
        return {
          valid: { ...settings, spreadsheetId: documentOf(team).id },
          refused: { ...settings, spreadsheetId: google.createSpreadsheet({ shared: false }).id },
        };
      },
      effects: rowsOf,
    },
  );
});
