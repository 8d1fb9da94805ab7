import { GoogleError } from "./google-error.ts";

/** A cell's content. `formula` marks text that Google would compute. */
export type CellValue = string | number | boolean | null | { readonly formula: string };

/** Limits that Google documents for a spreadsheet. */
const CELLS_MAX = 10_000_000;
export const COLUMNS_MAX = 18_278;
const CELL_CHARACTERS_MAX = 50_000;

/** Short texts are kept once each: answers repeat, and a demo writes millions of them. */
const INTERNED_LENGTH_MAX = 64;
const INTERNED_MAX = 100_000;

/** One sheet (tab) of a spreadsheet: a grid with a fixed number of rows and columns, most of them empty. */
export class SheetGrid {
  readonly id: number;
  title: string;
  rowCount: number;
  columnCount: number;
  readonly #rows: (CellValue[] | undefined)[] = [];
  readonly #interned = new Map<string, string>();

  constructor(id: number, title: string, rowCount = 1_000, columnCount = 26) {
    this.id = id;
    this.title = title;
    this.rowCount = rowCount;
    this.columnCount = columnCount;
  }

  /** Rows up to the last one that holds anything. */
  get lastRow(): number {
    let last = this.#rows.length;
    while (last > 0 && (this.#rows[last - 1] ?? []).every((cell) => cell === null || cell === undefined)) last--;
    this.#rows.length = last;
    return last;
  }

  get(row: number, column: number): CellValue {
    return this.#rows[row]?.[column] ?? null;
  }

  /** Sets one cell. @returns what puts it back. */
  set(row: number, column: number, value: CellValue): () => void {
    const cells = this.#rows[row] ?? [];
    this.#rows[row] = cells;
    const before = cells[column] ?? null;
    while (cells.length < column) cells.push(null);
    cells[column] = typeof value === "string" ? this.#intern(value) : value;
    return () => {
      cells[column] = before;
    };
  }

  /** The values of a row, up to its last one. */
  row(index: number): CellValue[] {
    const cells = [...(this.#rows[index] ?? [])].map((cell) => cell ?? null);
    while (cells.length > 0 && cells.at(-1) === null) cells.pop();
    return cells;
  }

  insert(dimension: "ROWS" | "COLUMNS", at: number, count: number): void {
    if (dimension === "ROWS") {
      this.#rows.splice(at, 0, ...Array.from({ length: count }, () => undefined));
      this.rowCount += count;
    } else {
      for (const cells of this.#rows) {
        if (cells !== undefined && cells.length > at) cells.splice(at, 0, ...Array.from({ length: count }, () => null));
      }
      this.columnCount += count;
    }
  }

  remove(dimension: "ROWS" | "COLUMNS", at: number, count: number): void {
    if (dimension === "ROWS") {
      this.#rows.splice(at, count);
      this.rowCount -= count;
    } else {
      for (const cells of this.#rows) cells?.splice(at, count);
      this.columnCount -= count;
    }
  }

  #intern(text: string): string {
    if (text.length > INTERNED_LENGTH_MAX) return text;
    const known = this.#interned.get(text);
    if (known !== undefined) return known;
    if (this.#interned.size < INTERNED_MAX) this.#interned.set(text, text);
    return text;
  }
}

/** A document: its sheets, and who may open it. */
export class Spreadsheet {
  readonly id: string;
  title: string;
  readonly sheets: SheetGrid[] = [new SheetGrid(0, "Sheet1")];
  /** E-mail addresses it is shared with. */
  readonly sharedWith = new Map<string, "reader" | "writer">();
  /** Cells allowed in all sheets together; tests make it small. */
  cellsMax = CELLS_MAX;

  constructor(id: string, title: string) {
    this.id = id;
    this.title = title;
  }

  /** Refuses a growth that would pass the limit of cells. */
  checkGrowth(cells: number): void {
    const now = this.sheets.reduce((sum, sheet) => sum + sheet.rowCount * sheet.columnCount, 0);
    if (now + cells > this.cellsMax) {
      throw new GoogleError(
        400,
        `This action would increase the number of cells in the workbook above the limit of ${this.cellsMax} cells.`,
      );
    }
  }
}

/** Refuses text that is too long for a cell. */
export function checkCell(value: CellValue): CellValue {
  if (typeof value === "string" && value.length > CELL_CHARACTERS_MAX) {
    throw new GoogleError(
      400,
      `Your input contains more than the maximum of ${CELL_CHARACTERS_MAX} characters in a single cell.`,
    );
  }
  return value === "" ? null : value;
}

/** What a cell shows. */
export function formattedValue(value: CellValue): string | undefined {
  if (value === null) return undefined;
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  if (typeof value === "object") return "#NAME?";
  return String(value);
}
