import { delivered, failed, type Outcome, rejected, retry } from "@plugboard/plugin-sdk";
import type { Pool } from "pg";
import { readGoogleFailure } from "./google-failure.ts";
import type { ResponseRow } from "./response-row.ts";
import { SheetBusy, withSheetLock } from "./sheet-lock.ts";
import { type Target, TooManyColumns, writeRows } from "./write-rows.ts";

/** Google's quotas count by the minute: tried again when the next one has begun, unless Google says when. */
const QUOTA_RETRY_MS = 60_000;
const BUSY_RETRY_MS = 2_000;

/** Writes a batch under the sheet's lock. When Google calls it wrong, each row is tried alone: one bad row spoils no other. */
export async function deliverRows(db: Pool, target: Target, rows: readonly ResponseRow[]): Promise<Outcome[]> {
  const together = await attemptRows(db, target, rows);
  if (together.kind !== "failed" || rows.length === 1) return rows.map(() => together);
  const outcomes: Outcome[] = [];
  for (const row of rows) outcomes.push(await attemptRows(db, target, [row]));
  return outcomes;
}

async function attemptRows(db: Pool, target: Target, rows: readonly ResponseRow[]): Promise<Outcome> {
  try {
    await withSheetLock(db, target.spreadsheetId, (client) => writeRows(client, target, rows));
    return delivered();
  } catch (error) {
    return outcomeOf(error, target.email);
  }
}

function outcomeOf(error: unknown, email: string): Outcome {
  if (error instanceof SheetBusy) return retry(error.message, BUSY_RETRY_MS);
  if (error instanceof TooManyColumns) return rejected(`${error.message}: choose columns in the settings`);
  if (!isGoogleError(error)) throw error;
  const failure = readGoogleFailure(error, email);
  switch (failure.kind) {
    case "not-now":
      return retry(failure.reason, failure.afterMs ?? (failure.overQuota ? QUOTA_RETRY_MS : undefined));
    case "refused":
      return rejected(failure.reason);
    case "no-such-range":
      // The sheet changed between reading and writing: it is read again.
      return retry(failure.reason, BUSY_RETRY_MS);
    case "invalid":
      return failed(failure.reason);
    default:
      return failure satisfies never;
  }
}

/** Google's client marks its errors with the request's configuration. */
function isGoogleError(error: unknown): boolean {
  return error instanceof Error && "config" in error;
}
