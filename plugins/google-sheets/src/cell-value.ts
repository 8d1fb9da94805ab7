import type { sheets_v4 } from "@googleapis/sheets";

/** Google's limit for a cell, in characters. */
const CELL_LENGTH_MAX = 50_000;

/**
 * An answer as a cell. Typed by what it is and never as a formula, so that an answer that begins with = + - or @ is
 * shown as it was given. Lists are joined, objects written as JSON; text too long for a cell is cut, and says so.
 */
export function cellOf(answer: unknown): sheets_v4.Schema$CellData {
  if (typeof answer === "number" && Number.isFinite(answer)) return { userEnteredValue: { numberValue: answer } };
  if (typeof answer === "boolean") return { userEnteredValue: { boolValue: answer } };
  const text = textOf(answer);
  return text === "" ? {} : { userEnteredValue: { stringValue: text } };
}

function textOf(answer: unknown): string {
  if (answer === null || answer === undefined) return "";
  const isPlainList = Array.isArray(answer) && answer.every((item) => typeof item !== "object" || item === null);
  const text = isPlainList ? answer.join(", ") : typeof answer === "object" ? JSON.stringify(answer) : String(answer);
  if (text.length <= CELL_LENGTH_MAX) return text;
  const note = ` … [cut: ${text.length} characters, a cell holds ${CELL_LENGTH_MAX}]`;
  return text.slice(0, CELL_LENGTH_MAX - note.length) + note;
}
