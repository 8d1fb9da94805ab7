import type { Pool, PoolClient } from "pg";

/** Longest wait for another instance that writes the same spreadsheet, milliseconds. */
const LOCK_WAIT_MS_MAX = 5_000;
const LOCK_NOT_AVAILABLE = "55P03";

/** Another instance holds the spreadsheet. */
export class SheetBusy extends Error {}

/**
 * Runs `work` while no other instance works on the spreadsheet: reading and then writing it must not interleave. The
 * lock belongs to the connection, so a process that dies gives it back; `work` gets that connection for its queries, so
 * that waiting batches cannot take the last connections from each other.
 * @throws SheetBusy after LOCK_WAIT_MS_MAX.
 */
export async function withSheetLock<T>(
  db: Pool,
  spreadsheetId: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await db.connect();
  const lock = `google-sheets:${spreadsheetId}`;
  let broken: Error | undefined;
  try {
    await client.query("SELECT set_config('lock_timeout', $1, false)", [String(LOCK_WAIT_MS_MAX)]);
    try {
      await client.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [lock]);
    } catch (error) {
      const isBusy = (error as { code?: unknown }).code === LOCK_NOT_AVAILABLE;
      throw isBusy ? new SheetBusy("another instance is writing this spreadsheet") : error;
    }
    try {
      return await work(client);
    } finally {
      await client.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", [lock]).catch((error: Error) => {
        broken = error;
      });
    }
  } finally {
    await client.query("RESET lock_timeout").catch((error: Error) => {
      broken = error;
    });
    // A connection that could not be put right is closed; with it goes the lock.
    client.release(broken);
  }
}
