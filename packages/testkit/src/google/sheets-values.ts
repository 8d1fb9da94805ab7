import { type A1Range, formatA1, parseA1 } from "./a1-range.ts";
import { GoogleError } from "./google-error.ts";
import { type CellValue, checkCell, formattedValue, type SheetGrid, type Spreadsheet } from "./sheet-grid.ts";

/** A range that lies inside its sheet's grid. */
export interface Located {
  readonly sheet: SheetGrid;
  readonly startRow: number;
  readonly endRow: number;
  readonly startColumn: number;
  readonly endColumn: number;
}

/** Finds a range's sheet and closes its open ends; a start outside the grid is refused. */
export function locate(spreadsheet: Spreadsheet, a1: string): Located {
  const range: A1Range = parseA1(
    a1,
    spreadsheet.sheets.map(({ title }) => title),
  );
  const sheet = spreadsheet.sheets.find(({ title }) => title === range.sheet) ?? spreadsheet.sheets[0];
  if (sheet === undefined) throw new GoogleError(400, `Unable to parse range: ${a1}`);
  if (range.startRow >= sheet.rowCount || range.startColumn >= sheet.columnCount) {
    throw new GoogleError(
      400,
      `Range (${a1}) exceeds grid limits. Max rows: ${sheet.rowCount}, max columns: ${sheet.columnCount}`,
    );
  }
  return {
    sheet,
    startRow: range.startRow,
    endRow: Math.min(range.endRow ?? sheet.rowCount, sheet.rowCount),
    startColumn: range.startColumn,
    endColumn: Math.min(range.endColumn ?? sheet.columnCount, sheet.columnCount),
  };
}

/** `values.get`: formatted values; trailing empty rows and cells are left out. */
export function readValues(spreadsheet: Spreadsheet, a1: string): object {
  const { sheet, startRow, endRow, startColumn, endColumn } = locate(spreadsheet, a1);
  const values: string[][] = [];
  for (let row = startRow; row < Math.min(endRow, sheet.lastRow); row++) {
    const cells: string[] = [];
    for (let column = startColumn; column < endColumn; column++) {
      cells.push(formattedValue(sheet.get(row, column)) ?? "");
    }
    while (cells.at(-1) === "") cells.pop();
    values.push(cells);
  }
  while (values.at(-1)?.length === 0) values.pop();
  return {
    range: formatA1(sheet.title, startRow, startColumn, endRow, endColumn),
    majorDimension: "ROWS",
    ...(values.length === 0 ? {} : { values }),
  };
}

/** The grid data of `spreadsheets.get` with ranges. */
export function gridData({ sheet, startRow, endRow, startColumn, endColumn }: Located): object {
  const rowData: object[] = [];
  for (let row = startRow; row < Math.min(endRow, sheet.lastRow); row++) {
    const last = Math.min(endColumn, sheet.row(row).length);
    const values: object[] = [];
    for (let column = startColumn; column < last; column++) {
      const shown = formattedValue(sheet.get(row, column));
      values.push(shown === undefined ? {} : { formattedValue: shown });
    }
    rowData.push(values.length === 0 ? {} : { values });
  }
  return {
    ...(startRow === 0 ? {} : { startRow }),
    ...(startColumn === 0 ? {} : { startColumn }),
    ...(rowData.length === 0 ? {} : { rowData }),
  };
}

/** `values.update` of one range. @returns its answer. */
export function writeValues(spreadsheet: Spreadsheet, a1: string, input: unknown, option: unknown): object {
  const values = inputValues(input);
  const { sheet, startRow, startColumn } = locate(spreadsheet, a1);
  const width = Math.max(0, ...values.map((row) => row.length));
  if (startRow + values.length > sheet.rowCount || startColumn + width > sheet.columnCount) {
    throw new GoogleError(
      400,
      `Range (${formatA1(sheet.title, startRow, startColumn, startRow + values.length, startColumn + Math.max(1, width))}) exceeds grid limits. Max rows: ${sheet.rowCount}, max columns: ${sheet.columnCount}`,
    );
  }
  put(sheet, startRow, startColumn, values, option);
  return {
    spreadsheetId: spreadsheet.id,
    updatedRange: formatA1(
      sheet.title,
      startRow,
      startColumn,
      startRow + values.length,
      startColumn + Math.max(1, width),
    ),
    updatedRows: values.length,
    updatedColumns: width,
    updatedCells: values.reduce((sum, row) => sum + row.length, 0),
  };
}

/** `values.append`: after the last row of the table that the range touches; rows are added to the grid as needed. */
export function appendValues(spreadsheet: Spreadsheet, a1: string, input: unknown, option: unknown): object {
  const values = inputValues(input);
  const { sheet, startColumn } = locate(spreadsheet, a1);
  const width = Math.max(1, ...values.map((row) => row.length));
  if (startColumn + width > sheet.columnCount) {
    spreadsheet.checkGrowth((startColumn + width - sheet.columnCount) * sheet.rowCount);
    sheet.columnCount = startColumn + width;
  }
  const first = sheet.lastRow;
  const missing = first + values.length - sheet.rowCount;
  if (missing > 0) {
    spreadsheet.checkGrowth(missing * sheet.columnCount);
    sheet.rowCount += missing;
  }
  put(sheet, first, startColumn, values, option);
  return {
    spreadsheetId: spreadsheet.id,
    ...(first === 0 ? {} : { tableRange: formatA1(sheet.title, 0, startColumn, first, startColumn + width) }),
    updates: {
      spreadsheetId: spreadsheet.id,
      updatedRange: formatA1(sheet.title, first, startColumn, first + values.length, startColumn + width),
      updatedRows: values.length,
      updatedColumns: width,
      updatedCells: values.reduce((sum, row) => sum + row.length, 0),
    },
  };
}

function put(sheet: SheetGrid, row: number, column: number, values: readonly unknown[][], option: unknown): void {
  if (option !== "RAW" && option !== "USER_ENTERED") {
    throw new GoogleError(400, "'valueInputOption' is required but not specified");
  }
  const checked = values.map((cells) => cells.map((cell) => checkCell(entered(cell, option))));
  checked.forEach((cells, i) => {
    cells.forEach((cell, j) => {
      sheet.set(row + i, column + j, cell);
    });
  });
}

function entered(value: unknown, option: "RAW" | "USER_ENTERED"): CellValue {
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value !== "string") throw new GoogleError(400, `Invalid values: list_value or struct_value in a cell`);
  if (option === "RAW") return value;
  if (/^[=+]./.test(value)) return { formula: value };
  if (/^-?\d+(\.\d+)?$/.test(value)) return Number(value);
  return /^(true|false)$/i.test(value) ? value.toLowerCase() === "true" : value.replace(/^'/, "");
}

function inputValues(input: unknown): unknown[][] {
  const values = (input as { values?: unknown } | undefined)?.values ?? [];
  if (!Array.isArray(values) || !values.every(Array.isArray)) {
    throw new GoogleError(400, "Invalid JSON payload received. Invalid value at 'data.values'");
  }
  return values;
}
