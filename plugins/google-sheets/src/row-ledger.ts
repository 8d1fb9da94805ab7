import type { PoolClient } from "pg";

/** One sheet of one team. */
export interface SheetKey {
  readonly team: string;
  readonly spreadsheetId: string;
  readonly sheet: string;
}

/**
 * What this plugin knows of its rows. A row stands here before it is written: "no entry" therefore proves that no row
 * exists, and a first delivery need not search the sheet. Everything else is a hint, checked against the sheet.
 */
export const LEDGER_MIGRATION = `
CREATE TABLE sheet_rows (
  team text NOT NULL,
  spreadsheet text NOT NULL,
  sheet text NOT NULL,
  response text NOT NULL,
  row_hint int,
  written_revision bigint,
  PRIMARY KEY (team, spreadsheet, sheet, response));
CREATE TABLE sheet_columns (
  team text NOT NULL,
  spreadsheet text NOT NULL,
  sheet text NOT NULL,
  id_column int NOT NULL DEFAULT 0,
  titles text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (team, spreadsheet, sheet))`;

export interface LedgerEntry {
  /** Row number, from 1, where it was seen last. */
  readonly rowHint: number | null;
  readonly writtenRevision: number | null;
}

const params = ({ team, spreadsheetId, sheet }: SheetKey) => [team, spreadsheetId, sheet];
const SHEET = "team = $1 AND spreadsheet = $2 AND sheet = $3";

/** The entries that some responses have. */
export async function readRows(
  db: PoolClient,
  key: SheetKey,
  responses: readonly string[],
): Promise<ReadonlyMap<string, LedgerEntry>> {
  const { rows } = await db.query<{ response: string; row_hint: number | null; revision: string | null }>(
    `SELECT response, row_hint, written_revision AS revision FROM sheet_rows WHERE ${SHEET} AND response = ANY($4)`,
    [...params(key), responses],
  );
  return new Map(
    rows.map(({ response, row_hint, revision }) => [
      response,
      { rowHint: row_hint, writtenRevision: revision === null ? null : Number(revision) },
    ]),
  );
}

/** Enters responses that are about to be written. */
export async function enterRows(db: PoolClient, key: SheetKey, responses: readonly string[]): Promise<void> {
  await db.query(
    `INSERT INTO sheet_rows (team, spreadsheet, sheet, response)
     SELECT $1, $2, $3, response FROM unnest($4::text[]) AS response ON CONFLICT DO NOTHING`,
    [...params(key), responses],
  );
}

/** Takes back what was just entered: Google refused the update, so surely nothing was written. */
export async function withdrawRows(db: PoolClient, key: SheetKey, responses: readonly string[]): Promise<void> {
  await db.query(`DELETE FROM sheet_rows WHERE ${SHEET} AND response = ANY($4)`, [...params(key), responses]);
}

/** What was seen of the sheet's columns: where the ids were, and the titles this plugin has ever written. */
export async function readColumns(
  db: PoolClient,
  key: SheetKey,
): Promise<{ readonly idColumn: number; readonly titles: ReadonlySet<string> }> {
  const { rows } = await db.query<{ id_column: number; titles: string[] }>(
    `SELECT id_column, titles FROM sheet_columns WHERE ${SHEET}`,
    params(key),
  );
  return { idColumn: rows[0]?.id_column ?? 0, titles: new Set(rows[0]?.titles) };
}

export async function saveColumns(
  db: PoolClient,
  key: SheetKey,
  idColumn: number,
  titles: Iterable<string>,
): Promise<void> {
  await db.query(
    `INSERT INTO sheet_columns (team, spreadsheet, sheet, id_column, titles) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (team, spreadsheet, sheet) DO UPDATE SET id_column = EXCLUDED.id_column, titles = EXCLUDED.titles`,
    [...params(key), idColumn, [...titles]],
  );
}

/** Notes what is in the sheet now. `row` null where it is not known: appended rows are looked for when edited. */
export async function noteWritten(
  db: PoolClient,
  key: SheetKey,
  written: readonly { readonly response: string; readonly row: number | null; readonly revision: number | null }[],
): Promise<void> {
  await db.query(
    `UPDATE sheet_rows AS known
     SET row_hint = COALESCE(new.row, known.row_hint), written_revision = COALESCE(new.revision, known.written_revision)
     FROM unnest($4::text[], $5::int[], $6::bigint[]) AS new (response, row, revision)
     WHERE known.team = $1 AND known.spreadsheet = $2 AND known.sheet = $3 AND known.response = new.response`,
    [
      ...params(key),
      written.map(({ response }) => response),
      written.map(({ row }) => row),
      written.map(({ revision }) => revision),
    ],
  );
}

/** Takes the sheet's whole id column as hints: after people moved rows, one search serves the edits that follow. */
export async function noteRows(db: PoolClient, key: SheetKey, rowOf: ReadonlyMap<string, number>): Promise<void> {
  await db.query(
    `UPDATE sheet_rows AS known SET row_hint = seen.row
     FROM unnest($4::text[], $5::int[]) AS seen (response, row)
     WHERE known.team = $1 AND known.spreadsheet = $2 AND known.sheet = $3 AND known.response = seen.response
       AND known.row_hint IS DISTINCT FROM seen.row`,
    [...params(key), [...rowOf.keys()], [...rowOf.values()]],
  );
}
