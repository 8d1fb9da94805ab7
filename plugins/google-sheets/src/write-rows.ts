import type { PoolClient } from "pg";
import type { SheetsApi } from "./google-sheets-api.ts";
import { FIXED_COLUMNS, type ResponseRow } from "./response-row.ts";
import {
  enterRows,
  type LedgerEntry,
  noteRows,
  noteWritten,
  readColumns,
  readRows,
  type SheetKey,
  saveColumns,
  withdrawRows,
} from "./row-ledger.ts";
import { COLUMNS_MAX } from "./settings.ts";
import { layOut } from "./sheet-layout.ts";
import { type PlacedRow, updateRequests } from "./sheet-requests.ts";
import { type SheetView, searchIds, viewSheet } from "./sheet-view.ts";

/** A sheet and the way to it. */
export interface Target extends SheetKey {
  readonly api: SheetsApi;
  /** Of the service account, for advice. */
  readonly email: string;
}

/** The sheet cannot hold so many columns. */
export class TooManyColumns extends Error {}

/**
 * Writes responses into a sheet, each as one row. The caller holds the sheet's lock. Repeating it is harmless, also when
 * it was cut short anywhere or Google's answer was lost.
 *
 *   read header (and hinted id cells) ─► place: new │ where it was │ search the id column
 *        ─► enter in the ledger ─► one atomic update ─► note what is written
 *
 * A row that is not in the ledger was never written: it is appended unseen. All others are looked for.
 * @throws what Google's client throws, or TooManyColumns; then nothing was written, unless the answer was lost.
 */
export async function writeRows(db: PoolClient, target: Target, given: readonly ResponseRow[]): Promise<void> {
  const rows = latestOnly(given);
  const responses = rows.map(({ responseId }) => responseId);
  const known = await readRows(db, target, responses);
  const columns = await readColumns(db, target);
  const current = rows.filter(({ responseId, revision }) => !isStale(revision, known.get(responseId)));
  if (current.length === 0) return;

  const hintedRows = current.flatMap(({ responseId }) => known.get(responseId)?.rowHint ?? []);
  const view = await viewSheet(target.api, target, { idColumn: columns.idColumn, rows: hintedRows });
  const titles = new Set(current.flatMap(({ values }) => [...values.keys()]));
  const layout = layOut(view?.header ?? [], titles);
  if (layout.width > COLUMNS_MAX) {
    throw new TooManyColumns(`the sheet would have ${layout.width} columns; Google allows ${COLUMNS_MAX}`);
  }
  const idColumn = layout.indexOf.get(FIXED_COLUMNS.id) ?? 0;
  const hasIds = !layout.added.includes(FIXED_COLUMNS.id);
  const placed = await place(db, target, view, current, known, hasIds ? idColumn : null);

  const ownTitles = new Set([...columns.titles, ...titles]);
  if (ownTitles.size > columns.titles.size || idColumn !== columns.idColumn) {
    await saveColumns(db, target, idColumn, ownTitles);
  }
  // A response that was deleted before it had a row leaves none: the ledger alone keeps its revision.
  const written = placed.filter(({ row, at }) => at !== null || !row.isDeleted);
  const entered = responses.filter((response) => !known.has(response));
  await enterRows(db, target, entered);
  if (written.length > 0) {
    const requests = updateRequests(view, target.sheet, layout, written, ownTitles);
    await updateOrWithdraw(requests, target, () => withdrawRows(db, target, entered));
  }
  await noteWritten(
    db,
    target,
    placed.map(({ row: { responseId, revision }, at }) => ({ response: responseId, row: at, revision })),
  );
}

/** An answer of 4xx means that nothing was written: the ledger then need not make the next attempt search the sheet. */
async function updateOrWithdraw(
  requests: ReturnType<typeof updateRequests>,
  { api, spreadsheetId }: Target,
  withdraw: () => Promise<void>,
): Promise<void> {
  try {
    await api.update(spreadsheetId, requests);
  } catch (error) {
    const status = (error as { response?: { status?: number } }).response?.status ?? 0;
    if (status >= 400 && status < 500 && status !== 408) await withdraw();
    throw error;
  }
}

async function place(
  db: PoolClient,
  target: Target,
  view: SheetView | null,
  rows: readonly ResponseRow[],
  known: ReadonlyMap<string, LedgerEntry>,
  idColumn: number | null,
): Promise<PlacedRow[]> {
  const hinted = (row: ResponseRow): number | null => {
    const hint = known.get(row.responseId)?.rowHint ?? null;
    return hint !== null && view?.ids.get(hint) === row.responseId ? hint : null;
  };
  const isSought = (row: ResponseRow) => (known.has(row.responseId) || !row.isNew) && hinted(row) === null;
  if (view === null || idColumn === null || !rows.some(isSought)) {
    return rows.map((row) => ({ row, at: hinted(row) }));
  }
  const rowOf = await searchIds(target.api, target, idColumn);
  await noteRows(db, target, rowOf);
  return rows.map((row) => ({ row, at: hinted(row) ?? (isSought(row) ? (rowOf.get(row.responseId) ?? null) : null) }));
}

/** Of several rows of one response, the one of the highest revision; without revisions, the last. */
function latestOnly(rows: readonly ResponseRow[]): ResponseRow[] {
  const latest = new Map<string, ResponseRow>();
  for (const row of rows) {
    const other = latest.get(row.responseId);
    const isOlder = other?.revision != null && row.revision !== null && row.revision < other.revision;
    if (isOlder) continue;
    // The first event of a response proves, for its edits in the same batch too, that there is no row yet.
    latest.set(row.responseId, { ...row, isNew: row.isNew || (other?.isNew ?? false) });
  }
  return [...latest.values()];
}

function isStale(revision: number | null, entry: LedgerEntry | undefined): boolean {
  return revision !== null && entry?.writtenRevision != null && revision < entry.writtenRevision;
}
