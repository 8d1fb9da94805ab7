import { z } from "zod";
import { GoogleError } from "./google-error.ts";
import { type CellValue, COLUMNS_MAX, checkCell, SheetGrid, type Spreadsheet } from "./sheet-grid.ts";

const dimension = z.enum(["ROWS", "COLUMNS"]);
const count = z.int().nonnegative();
const extendedValue = z.strictObject({
  stringValue: z.string().optional(),
  numberValue: z.number().optional(),
  boolValue: z.boolean().optional(),
  formulaValue: z.string().optional(),
});
const rowData = z.strictObject({
  values: z.array(z.strictObject({ userEnteredValue: extendedValue.optional() })).optional(),
});
const gridProperties = z.strictObject({ rowCount: count.optional(), columnCount: count.optional() });
const range = z.strictObject({
  sheetId: z.int().optional(),
  dimension,
  startIndex: count.default(0),
  endIndex: count,
});

/** The requests of `spreadsheets.batchUpdate` that this emulator knows; others are refused by name. */
const requestSchema = z.strictObject({
  updateSpreadsheetProperties: z
    .strictObject({ properties: z.strictObject({ title: z.string() }), fields: z.literal("title") })
    .optional(),
  addSheet: z
    .strictObject({
      properties: z.strictObject({
        title: z.string().min(1),
        sheetId: z.int().optional(),
        gridProperties: gridProperties.optional(),
      }),
    })
    .optional(),
  appendDimension: z.strictObject({ sheetId: z.int().optional(), dimension, length: z.int().positive() }).optional(),
  insertDimension: z.strictObject({ range, inheritFromBefore: z.boolean().optional() }).optional(),
  deleteDimension: z.strictObject({ range }).optional(),
  updateCells: z
    .strictObject({
      start: z.strictObject({
        sheetId: z.int().optional(),
        rowIndex: count.optional(),
        columnIndex: count.optional(),
      }),
      rows: z.array(rowData).default([]),
      fields: z.string().min(1),
    })
    .optional(),
  appendCells: z
    .strictObject({ sheetId: z.int().optional(), rows: z.array(rowData).default([]), fields: z.string().min(1) })
    .optional(),
});
type UpdateRequest = z.infer<typeof requestSchema>;
type RowData = z.infer<typeof rowData>;

const bodySchema = z.looseObject({ requests: z.array(z.unknown()).min(1, "Must specify at least one request.") });

/**
 * Applies the requests of a batch, all or none, as Google does.
 * @returns the replies, one for each request.
 */
export function applyBatchUpdate(spreadsheet: Spreadsheet, body: unknown): { replies: object[] } {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) throw new GoogleError(400, parsed.error.issues[0]?.message ?? "Invalid JSON payload received.");
  const undo: (() => void)[] = [];
  try {
    const replies = parsed.data.requests.map((request, index) => applyNumbered(spreadsheet, request, index, undo));
    return { replies };
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw error;
  }
}

function applyNumbered(spreadsheet: Spreadsheet, request: unknown, index: number, undo: (() => void)[]): object {
  const parsed = requestSchema.safeParse(request);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const place = `requests[${index}]${issue?.path.map((part) => `.${String(part)}`).join("") ?? ""}`;
    throw new GoogleError(400, `Invalid JSON payload received. Invalid value at '${place}': ${issue?.message}`);
  }
  const kind = Object.keys(parsed.data)[0] ?? "request";
  try {
    return applyOne(spreadsheet, parsed.data, undo);
  } catch (error) {
    if (!(error instanceof GoogleError) || error.status !== 400) throw error;
    throw new GoogleError(400, `Invalid requests[${index}].${kind}: ${error.message}`);
  }
}

function applyOne(spreadsheet: Spreadsheet, request: UpdateRequest, undo: (() => void)[]): object {
  if (request.updateSpreadsheetProperties !== undefined) {
    const before = spreadsheet.title;
    spreadsheet.title = request.updateSpreadsheetProperties.properties.title;
    undo.push(() => {
      spreadsheet.title = before;
    });
    return {};
  }
  if (request.addSheet !== undefined) return addSheet(spreadsheet, request.addSheet.properties, undo);
  if (request.appendDimension !== undefined) {
    const { sheetId, dimension, length } = request.appendDimension;
    grow(spreadsheet, sheetOf(spreadsheet, sheetId), dimension, length, undo);
    return {};
  }
  if (request.insertDimension !== undefined || request.deleteDimension !== undefined) {
    changeDimension(spreadsheet, request, undo);
    return {};
  }
  if (request.updateCells !== undefined) {
    const { start, rows } = request.updateCells;
    const sheet = sheetOf(spreadsheet, start.sheetId);
    writeRows(sheet, start.rowIndex ?? 0, start.columnIndex ?? 0, rows, undo);
    return {};
  }
  if (request.appendCells !== undefined) {
    const { sheetId, rows } = request.appendCells;
    const sheet = sheetOf(spreadsheet, sheetId);
    const first = sheet.lastRow;
    const missing = first + rows.length - sheet.rowCount;
    if (missing > 0) grow(spreadsheet, sheet, "ROWS", missing, undo);
    writeRows(sheet, first, 0, rows, undo);
    return {};
  }
  throw new GoogleError(400, "No request set.");
}

function addSheet(
  spreadsheet: Spreadsheet,
  properties: NonNullable<UpdateRequest["addSheet"]>["properties"],
  undo: (() => void)[],
): object {
  if (spreadsheet.sheets.some(({ title }) => title.toLowerCase() === properties.title.toLowerCase())) {
    throw new GoogleError(
      400,
      `A sheet with the name "${properties.title}" already exists. Please enter another name.`,
    );
  }
  const id = properties.sheetId ?? Math.max(...spreadsheet.sheets.map((sheet) => sheet.id)) + 1_001;
  const { rowCount, columnCount } = properties.gridProperties ?? {};
  const sheet = new SheetGrid(id, properties.title, rowCount, columnCount);
  spreadsheet.checkGrowth(sheet.rowCount * sheet.columnCount);
  spreadsheet.sheets.push(sheet);
  undo.push(() => spreadsheet.sheets.splice(spreadsheet.sheets.indexOf(sheet), 1));
  return { addSheet: { properties: sheetProperties(spreadsheet, sheet) } };
}

function changeDimension(spreadsheet: Spreadsheet, request: UpdateRequest, undo: (() => void)[]): void {
  const span = request.insertDimension?.range ?? request.deleteDimension?.range;
  if (span === undefined) return;
  const sheet = sheetOf(spreadsheet, span.sheetId);
  const length = span.endIndex - span.startIndex;
  if (request.insertDimension !== undefined) {
    spreadsheet.checkGrowth(length * (span.dimension === "ROWS" ? sheet.columnCount : sheet.rowCount));
    sheet.insert(span.dimension, span.startIndex, length);
    undo.push(() => sheet.remove(span.dimension, span.startIndex, length));
    return;
  }
  if (undo.length > 0)
    throw new GoogleError(400, "the emulator deletes rows and columns only as a batch's first request");
  sheet.remove(span.dimension, span.startIndex, length);
}

function grow(
  spreadsheet: Spreadsheet,
  sheet: SheetGrid,
  dimension: "ROWS" | "COLUMNS",
  length: number,
  undo: (() => void)[],
): void {
  if (dimension === "COLUMNS" && sheet.columnCount + length > COLUMNS_MAX) {
    throw new GoogleError(400, `This action would increase the number of columns above the limit of ${COLUMNS_MAX}.`);
  }
  spreadsheet.checkGrowth(length * (dimension === "ROWS" ? sheet.columnCount : sheet.rowCount));
  const property = dimension === "ROWS" ? "rowCount" : "columnCount";
  sheet[property] += length;
  undo.push(() => {
    sheet[property] -= length;
  });
}

function writeRows(
  sheet: SheetGrid,
  row: number,
  column: number,
  rows: readonly RowData[],
  undo: (() => void)[],
): void {
  rows.forEach(({ values = [] }, i) => {
    if (row + i >= sheet.rowCount) {
      throw new GoogleError(
        400,
        `Attempting to write row: ${row + i}, beyond the last requested row of: ${sheet.rowCount - 1}`,
      );
    }
    if (column + values.length > sheet.columnCount) {
      throw new GoogleError(
        400,
        `Attempting to write column: ${sheet.columnCount}, beyond the last requested column of: ${sheet.columnCount - 1}`,
      );
    }
    values.forEach((cell, j) => {
      undo.push(sheet.set(row + i, column + j, checkCell(enteredValue(cell.userEnteredValue))));
    });
  });
}

function enteredValue(value: z.infer<typeof extendedValue> | undefined): CellValue {
  if (value?.formulaValue !== undefined) return { formula: value.formulaValue };
  return value?.stringValue ?? value?.numberValue ?? value?.boolValue ?? null;
}

function sheetOf(spreadsheet: Spreadsheet, id = 0): SheetGrid {
  const sheet = spreadsheet.sheets.find((candidate) => candidate.id === id);
  if (sheet === undefined) throw new GoogleError(400, `No grid with id: ${id}`);
  return sheet;
}

/** A sheet as `properties` of an answer. */
export function sheetProperties(spreadsheet: Spreadsheet, sheet: SheetGrid): object {
  return {
    sheetId: sheet.id,
    title: sheet.title,
    index: spreadsheet.sheets.indexOf(sheet),
    sheetType: "GRID",
    gridProperties: { rowCount: sheet.rowCount, columnCount: sheet.columnCount },
  };
}
