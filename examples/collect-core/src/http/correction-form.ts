import type { Form, Question } from "../domain/form.ts";
import type { StoredFlag } from "../domain/response.ts";

/** Inputs shown when no flag names a question. */
const INPUTS_WITHOUT_FLAGS = 20;
/** Inputs of one page: a form of a thousand questions is corrected where it is wrong, not all over. */
const INPUTS_MAX = 200;
const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/;
const FIELD_PREFIX = "answer:";

/** A question as a page shows it. */
export interface QuestionRow {
  readonly id: string;
  readonly field: string;
  readonly text: string;
  readonly value: string;
  readonly type: Question["type"] | null;
  readonly options: readonly string[];
  readonly messages: readonly string[];
}

/** Which questions can be corrected on the page, the flagged ones first, and which are only shown. */
export function questionRows(
  form: Form,
  answers: Readonly<Record<string, unknown>>,
  open: readonly StoredFlag[],
): { inputs: QuestionRow[]; others: QuestionRow[] } {
  const messages = new Map<string, string[]>();
  for (const { fields, message } of open) {
    for (const field of fields) messages.set(field, [...(messages.get(field) ?? []), message]);
  }
  const rows = form.questions.map(({ id, text, type, options }) => ({
    id,
    field: `${FIELD_PREFIX}${id}`,
    text: text ?? id,
    value: shown(answerTo(answers, id)),
    type: type ?? null,
    options: options ?? [],
    messages: messages.get(id) ?? [],
  }));
  const flagged = rows.filter((row) => row.messages.length > 0).slice(0, INPUTS_MAX);
  const inputs = flagged.length > 0 ? flagged : rows.slice(0, INPUTS_WITHOUT_FLAGS);
  const chosen = new Set(inputs);
  return { inputs, others: rows.filter((row) => !chosen.has(row)) };
}

/** A page's fields as a correction: the answers it does not name stay as they are. */
export function correctedAnswers(
  form: Form,
  answers: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): { answers: Record<string, unknown>; revision?: number } {
  const corrected: Record<string, unknown> = { ...answers };
  for (const [name, value] of Object.entries(fields)) {
    const id = name.startsWith(FIELD_PREFIX) ? name.slice(FIELD_PREFIX.length) : null;
    if (id === null || typeof value !== "string" || id === "__proto__") continue;
    const before = answerTo(answers, id);
    if (value !== shown(before)) corrected[id] = typed(value, form.questionsById.get(id)?.type, before);
  }
  const { revision } = fields;
  return typeof revision === "string" && /^\d{1,9}$/.test(revision)
    ? { answers: corrected, revision: Number(revision) }
    : { answers: corrected };
}

/** A field's text as the kind of value the question asks for, or that it held before; text that is none stays text. */
function typed(text: string, type: Question["type"], before: unknown): unknown {
  if (text.trim() === "") return null;
  const wantsNumber = type === "number" || (type === undefined && typeof before === "number");
  if (wantsNumber && DECIMAL.test(text.trim())) return Number(text.trim());
  const wantsBoolean = type === "boolean" || (type === undefined && typeof before === "boolean");
  if (wantsBoolean && (text === "true" || text === "false")) return text === "true";
  return text;
}

/** Never what every object inherits: a question may be called `constructor`. */
function answerTo(answers: Readonly<Record<string, unknown>>, id: string): unknown {
  return Object.hasOwn(answers, id) ? answers[id] : undefined;
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
