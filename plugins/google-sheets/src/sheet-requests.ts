import { randomInt } from "node:crypto";
import type { sheets_v4 } from "@googleapis/sheets";
import { cellOf } from "./cell-value.ts";
import type { ResponseRow } from "./response-row.ts";
import { runsOf, type SheetLayout } from "./sheet-layout.ts";
import type { SheetView } from "./sheet-view.ts";

const FIELDS = "userEnteredValue";
/** Rows of a new sheet: few, for empty cells count towards Google's limit; appending adds more. */
const NEW_SHEET_ROWS = 2;

/** A row and where it stands; null where it is to be appended. */
export interface PlacedRow {
  readonly row: ResponseRow;
  readonly at: number | null;
}

/**
 * Everything for a batch in one atomic update: the sheet if there is none, columns for new questions, edited rows, and
 * new rows after the last. Columns that are not this plugin's are never written.
 * @param ownTitles titles this plugin has written: what a response no longer says is cleared there.
 */
export function updateRequests(
  view: SheetView | null,
  title: string,
  layout: SheetLayout,
  placed: readonly PlacedRow[],
  ownTitles: ReadonlySet<string>,
): sheets_v4.Schema$Request[] {
  const sheetId = view?.sheetId ?? randomInt(1, 2 ** 31 - 1);
  const requests: sheets_v4.Schema$Request[] = [];
  if (view === null) {
    const gridProperties = { rowCount: NEW_SHEET_ROWS, columnCount: layout.width };
    requests.push({ addSheet: { properties: { sheetId, title, gridProperties } } });
  } else if (layout.width > view.columnCount) {
    requests.push({ appendDimension: { sheetId, dimension: "COLUMNS", length: layout.width - view.columnCount } });
  }
  if (layout.added.length > 0) {
    const start = { sheetId, rowIndex: 0, columnIndex: layout.firstNew };
    requests.push({ updateCells: { start, rows: [{ values: layout.added.map(cellOf) }], fields: FIELDS } });
  }
  for (const { row, at } of placed)
    if (at !== null) requests.push(...editRequests(sheetId, layout, row, at, ownTitles));
  const appended = placed.filter(({ at }) => at === null).map(({ row }) => ({ values: wholeRow(layout, row) }));
  if (appended.length > 0) requests.push({ appendCells: { sheetId, rows: appended, fields: FIELDS } });
  return requests;
}

function wholeRow(layout: SheetLayout, { values }: ResponseRow): sheets_v4.Schema$CellData[] {
  const cells: sheets_v4.Schema$CellData[] = Array.from({ length: layout.width }, () => ({}));
  for (const [title, answer] of values) {
    const index = layout.indexOf.get(title);
    if (index !== undefined) cells[index] = cellOf(answer);
  }
  return cells;
}

function editRequests(
  sheetId: number,
  layout: SheetLayout,
  { values }: ResponseRow,
  at: number,
  ownTitles: ReadonlySet<string>,
): sheets_v4.Schema$Request[] {
  const cellAt = new Map<number, sheets_v4.Schema$CellData>();
  for (const title of [...ownTitles, ...values.keys()]) {
    const index = layout.indexOf.get(title);
    if (index !== undefined) cellAt.set(index, cellOf(values.get(title)));
  }
  return runsOf(cellAt.keys()).map(({ start, length }) => ({
    updateCells: {
      start: { sheetId, rowIndex: at - 1, columnIndex: start },
      rows: [{ values: Array.from({ length }, (_, offset) => cellAt.get(start + offset) ?? {}) }],
      fields: FIELDS,
    },
  }));
}
