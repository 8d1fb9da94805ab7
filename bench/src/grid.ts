import Table from "cli-table3";
import type { Spread } from "./summary.ts";

/** A table as it is printed and as docs/performance.md shows it. */
export interface Grid {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function printed(grid: Grid): string {
  const table = new Table({ head: [...grid.head], style: { head: [], border: [] } });
  table.push(...grid.rows.map((row) => [...row]));
  return `${grid.title}\n${table.toString()}`;
}

export function markdown({ title, head, rows }: Grid): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [`**${title}**`, "", line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Median and range; the median alone of a single value. */
export function rangeText(spread: Spread | undefined, text: (value: number) => string): string {
  if (spread === undefined) return "–";
  return spread.count === 1 ? text(spread.median) : `${text(spread.median)} (${text(spread.min)}–${text(spread.max)})`;
}

export const thousands = (value: number | undefined) =>
  value === undefined ? "–" : Math.round(value).toLocaleString("en-US");
export const decimal = (value: number | undefined) => (value === undefined ? "–" : value.toFixed(value < 10 ? 2 : 1));
export const megabytes = (bytes: number | undefined) => (bytes === undefined ? "–" : `${Math.round(bytes / 1e6)} MB`);
export const ratioText = (ratio: number | undefined) => (ratio === undefined ? "–" : ratio.toFixed(2));
