import { styleText } from "node:util";
import Table from "cli-table3";
import { plainText } from "./plain-text.ts";

/** Colours by meaning; Node leaves them out unless the stream is a terminal, and with NO_COLOR. */
const COLORS = { good: "green", bad: "red", odd: "yellow", dim: "dim", strong: "bold" } as const;
export type Meaning = keyof typeof COLORS;

/** Where a command's results go: standard output has the result and nothing else, standard error what is said about it. */
export class Output {
  /** One JSON document (JSON lines for `tail`) instead of text. */
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** The command's result: `value` as JSON, or the text for people. */
  result(value: unknown, text: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value, null, 2) : text()}\n`);
  }

  /** One of a stream of results. */
  line(value: unknown, text: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value) : text()}\n`);
  }

  /** Beside the result: for people, and never in the way of a script. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}

/** Text in a colour by its meaning. */
export function colored(meaning: Meaning, text: string): string {
  return styleText(COLORS[meaning], text, { stream: process.stdout, validateStream: true });
}

/** Columns without borders. Cells are others' texts: nothing in them reaches the terminal as a command. */
export function table(head: readonly string[], rows: readonly (readonly (string | Cell)[])[]): string {
  const none = Object.fromEntries(BORDERS.map((name) => [name, ""]));
  const made = new Table({
    head: head.map((title) => colored("strong", title)),
    chars: { ...none, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  made.push(...rows.map((row) => row.map((cell) => (typeof cell === "string" ? plainText(cell) : cell.shown))));
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A cell with a colour. */
export interface Cell {
  readonly shown: string;
}

export function cell(meaning: Meaning, text: string): Cell {
  return { shown: colored(meaning, plainText(text)) };
}

const BORDERS = [
  "top",
  "top-mid",
  "top-left",
  "top-right",
  "bottom",
  "bottom-mid",
  "bottom-left",
  "bottom-right",
  "left",
  "left-mid",
  "mid",
  "mid-mid",
  "right",
  "right-mid",
] as const;
