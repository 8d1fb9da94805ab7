import { createHash } from "node:crypto";
import { definePlugin, delivered, type Outcome, rejected, retry } from "@plugboard/plugin-sdk";
import { BatchQueue } from "./batch-queue.ts";
import { checkAccess } from "./check-access.ts";
import { deliverRows } from "./deliver-rows.ts";
import { sheetsApis } from "./google-sheets-api.ts";
import { type ResponseRow, responseRow } from "./response-row.ts";
import { LEDGER_MIGRATION } from "./row-ledger.ts";
import { readServiceAccount } from "./service-account.ts";
import { SHEET_TITLE_LENGTH_MAX, settingsSchema } from "./settings.ts";

/** A batch is one update: Google advises 2 MB, about 30,000 cells as this plugin writes them. */
const BATCH_LIMITS = { itemsMax: 100, weightMax: 30_000 };
/**
 * Waiting for the lock, a token, two reads and the write have 5 + 5 + 8 + 8 + 10 s. What waits behind such a batch for
 * longer is retried; after a crash a delivery is free again this long after it was begun, so it is not longer.
 */
const HANDLER_DEADLINE_MS = 45_000;

/**
 * A response becomes a row of the team's spreadsheet, its questions the columns; an edit changes the row.
 * @param options.googleBaseUrl another address for Google; its own hosts unless given.
 */
export function createGoogleSheetsPlugin(options: { readonly googleBaseUrl?: string | undefined } = {}) {
  const open = sheetsApis(options.googleBaseUrl);
  const queue = new BatchQueue<ResponseRow, Outcome>(BATCH_LIMITS);
  return definePlugin({
    metadata: {
      id: "google-sheets",
      name: "Google Sheets",
      description: "Keeps a spreadsheet with one row for each response and one column for each question.",
      version: "1.0.0",
      events: ["onResponse", "onResponseUpdate", "onResponseDelete"],
    },
    settings: settingsSchema,
    migrations: [LEDGER_MIGRATION],
    handlerDeadlineMs: HANDLER_DEADLINE_MS,
    redeliver: "safe",
    validateSettings: (settings) => checkAccess(settings, open),

    onEvent: async (delivery, { team, settings, db, signal }) => {
      const { responseId, formId } = delivery.event;
      if (responseId === null) return delivered();
      const read = readServiceAccount(settings.serviceAccount);
      if (!read.ok) return rejected(`serviceAccount ${read.problem}`);
      const { spreadsheetId } = settings;
      const sheet = settings.sheet ?? (formId ?? "Responses").slice(0, SHEET_TITLE_LENGTH_MAX);
      const row = responseRow(responseId, delivery, settings.columns);
      const target = { team, spreadsheetId, sheet, email: read.account.email, api: open(read.account) };
      // Settings are part of the key: a batch is written with one credential.
      const credential = createHash("sha256").update(settings.serviceAccount).digest("hex");
      const key = JSON.stringify([team, spreadsheetId, sheet, credential]);
      if (signal.aborted) return retry("the plugin is stopping");
      return queue.submit(key, row, row.values.size, (rows) => deliverRows(db, target, rows), signal);
    },
  });
}
