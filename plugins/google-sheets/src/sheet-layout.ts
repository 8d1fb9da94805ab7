/** Where each column is. The team may move columns and add its own between them: columns are known by their titles. */
export interface SheetLayout {
  /** Title → index, from 0; of columns with the same title, the first. */
  readonly indexOf: ReadonlyMap<string, number>;
  /** Titles to be added, in order, from `firstNew` on. */
  readonly added: readonly string[];
  readonly firstNew: number;
  /** Columns up to the last one with a title. */
  readonly width: number;
}

/** Fits titles into a header: what is there stays where it is, what is missing goes to the right of all. */
export function layOut(header: readonly string[], titles: Iterable<string>): SheetLayout {
  const indexOf = new Map<string, number>();
  header.forEach((text, index) => {
    const title = text.trim();
    if (title !== "" && !indexOf.has(title)) indexOf.set(title, index);
  });
  const firstNew = header.findLastIndex((title) => title.trim() !== "") + 1;
  const added: string[] = [];
  for (const title of titles) {
    if (indexOf.has(title)) continue;
    indexOf.set(title, firstNew + added.length);
    added.push(title);
  }
  return { indexOf, added, firstNew, width: firstNew + added.length };
}

/** Neighbouring columns, so that each run is one write and the team's own columns between them stay untouched. */
export function runsOf(columns: Iterable<number>): { readonly start: number; readonly length: number }[] {
  const runs: { start: number; length: number }[] = [];
  for (const column of [...new Set(columns)].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.length === column) last.length += 1;
    else runs.push({ start: column, length: 1 });
  }
  return runs;
}

/** 0 → "A", 26 → "AA". */
export function columnName(index: number): string {
  return index < 26
    ? String.fromCharCode(65 + index)
    : columnName(Math.floor(index / 26) - 1) + String.fromCharCode(65 + (index % 26));
}

/** A range in A1 notation, its sheet quoted. */
export function a1(sheet: string, cells: string): string {
  return `'${sheet.replaceAll("'", "''")}'!${cells}`;
}
