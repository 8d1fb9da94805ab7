import { GoogleError } from "./google-error.ts";

/** A range in a sheet, zero-based; `undefined` ends are open. Ends are exclusive, as in Google's GridRange. */
export interface A1Range {
  readonly sheet: string | undefined;
  readonly startRow: number;
  readonly endRow: number | undefined;
  readonly startColumn: number;
  readonly endColumn: number | undefined;
}

const CELLS = /^\$?([A-Za-z]{1,3})?\$?([1-9]\d{0,7})?(?::\$?([A-Za-z]{1,3})?\$?([1-9]\d{0,7})?)?$/;

/**
 * Reads A1 notation as the Sheets API does: `Sheet1!A1:B2`, `'My sheet'!1:1`, `A:A`, `A2:A`, or a sheet's name alone.
 * @param sheets names of the sheets that exist: one named like a cell wins over the cell.
 */
export function parseA1(text: string, sheets: readonly string[]): A1Range {
  const whole = { startRow: 0, endRow: undefined, startColumn: 0, endColumn: undefined };
  const unparsable = new GoogleError(400, `Unable to parse range: ${text}`);
  const split = /^(?:'((?:[^']|'')+)'|([^'!]+))!(.*)$/s.exec(text);
  const sheet = split === null ? undefined : (split[1]?.replaceAll("''", "'") ?? split[2]);
  if (sheet !== undefined && !sheets.includes(sheet)) throw unparsable;
  if (split === null) {
    const bare = text.replace(/^'(.*)'$/s, "$1").replaceAll("''", "'");
    if (sheets.includes(bare)) return { sheet: bare, ...whole };
  }
  const match = CELLS.exec(split?.[3] ?? text);
  if (match === null || match[0] === "") throw unparsable;
  const [, column, row, toColumn, toRow] = match;
  const isSpan = match[0].includes(":");
  if (!isSpan && (column === undefined || row === undefined)) throw unparsable;
  return {
    sheet,
    startRow: row === undefined ? 0 : Number(row) - 1,
    endRow: isSpan ? (toRow === undefined ? undefined : Number(toRow)) : Number(row),
    startColumn: column === undefined ? 0 : columnIndex(column),
    endColumn: isSpan
      ? toColumn === undefined
        ? undefined
        : columnIndex(toColumn) + 1
      : columnIndex(column ?? "A") + 1,
  };
}

/** "A" → 0, "AA" → 26. */
function columnIndex(letters: string): number {
  let index = 0;
  for (const letter of letters.toUpperCase()) index = index * 26 + letter.charCodeAt(0) - 64;
  return index - 1;
}

/** 0 → "A", 26 → "AA". */
function columnLetters(index: number): string {
  let letters = "";
  for (let rest = index; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    letters = String.fromCharCode(65 + (rest % 26)) + letters;
  }
  return letters;
}

/** A cell's or a span's name as Google writes it in answers: `Sheet1!A1:B2`, quoted where needed. */
export function formatA1(
  sheet: string,
  startRow: number,
  startColumn: number,
  endRow: number,
  endColumn: number,
): string {
  const name = /^[A-Za-z_][A-Za-z0-9_]*$/.test(sheet) ? sheet : `'${sheet.replaceAll("'", "''")}'`;
  const from = `${columnLetters(startColumn)}${startRow + 1}`;
  const to = `${columnLetters(endColumn - 1)}${endRow}`;
  return from === to ? `${name}!${from}` : `${name}!${from}:${to}`;
}
