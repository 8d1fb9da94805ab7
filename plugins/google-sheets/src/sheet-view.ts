import type { sheets_v4 } from "@googleapis/sheets";
import { readGoogleFailure } from "./google-failure.ts";
import type { SheetsApi } from "./google-sheets-api.ts";
import { FIXED_COLUMNS } from "./response-row.ts";
import { a1, columnName } from "./sheet-layout.ts";

/** What of a sheet is needed to write rows. */
export interface SheetView {
  readonly sheetId: number;
  readonly columnCount: number;
  readonly header: readonly string[];
  /** Row number (from 1) → the text of its id cell, for the rows asked for. */
  readonly ids: ReadonlyMap<number, string>;
}

const FIELDS = "sheets(properties(sheetId,gridProperties),data(startRow,startColumn,rowData.values.formattedValue))";
/** Id cells read beside the header; more are found by reading the id column. */
const HINTS_MAX = 100;

/**
 * Reads the header and the id cells of some rows, in one call.
 * @returns null when the sheet does not exist.
 * @throws what Google's client throws.
 */
export async function viewSheet(
  api: SheetsApi,
  place: { readonly spreadsheetId: string; readonly sheet: string; readonly email: string },
  hints: { readonly idColumn: number; readonly rows: readonly number[] },
): Promise<SheetView | null> {
  const { spreadsheetId, sheet } = place;
  const cells = hints.rows.slice(0, HINTS_MAX).map((row) => a1(sheet, `${columnName(hints.idColumn)}${row}`));
  try {
    return readView(await api.describe(spreadsheetId, [a1(sheet, "1:1"), ...cells], FIELDS), hints);
  } catch (error) {
    if (readGoogleFailure(error, place.email).kind !== "no-such-range") throw error;
    // Without hints, a range that cannot be read means that there is no such sheet; with them, rows may be gone.
    return cells.length === 0 ? null : viewSheet(api, place, { ...hints, rows: [] });
  }
}

function readView(
  { sheets = [] }: sheets_v4.Schema$Spreadsheet,
  hints: { readonly idColumn: number; readonly rows: readonly number[] },
): SheetView | null {
  const found = sheets[0];
  const sheetId = found?.properties?.sheetId;
  if (typeof sheetId !== "number") return null;
  const [first, ...cells] = found?.data ?? [];
  const header = textsOf(first);
  const isPlaced = header[hints.idColumn]?.trim() === FIXED_COLUMNS.id;
  const ids = cells.map((cell) => [(cell.startRow ?? 0) + 1, textsOf(cell)[0] ?? ""] as const);
  return {
    sheetId,
    columnCount: found?.properties?.gridProperties?.columnCount ?? 0,
    header,
    ids: new Map(isPlaced ? ids : []),
  };
}

function textsOf(data: sheets_v4.Schema$GridData | undefined): string[] {
  return (data?.rowData?.[0]?.values ?? []).map((cell) => cell.formattedValue ?? "");
}

/** Response id → row number, from 1, of the whole sheet; of ids that stand twice, the first. */
export async function searchIds(
  api: SheetsApi,
  { spreadsheetId, sheet }: { readonly spreadsheetId: string; readonly sheet: string },
  idColumn: number,
): Promise<ReadonlyMap<string, number>> {
  const name = columnName(idColumn);
  const texts = await api.column(spreadsheetId, a1(sheet, `${name}:${name}`));
  const rowOf = new Map<string, number>();
  texts.forEach((text, index) => {
    if (index > 0 && text !== "" && !rowOf.has(text)) rowOf.set(text, index + 1);
  });
  return rowOf;
}
