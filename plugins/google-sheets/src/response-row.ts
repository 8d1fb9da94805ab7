import type { Delivery } from "@plugboard/plugin-sdk";
import type { SheetsSettings } from "./settings.ts";

/** Columns that every row has, in the order a new sheet gets them. The first finds the row again. */
export const FIXED_COLUMNS = {
  id: "Response ID",
  submitted: "Submitted at",
  collector: "Collector",
  form: "Form",
  revision: "Revision",
  status: "Status",
} as const;

const FIXED_TITLES: ReadonlySet<string> = new Set(Object.values(FIXED_COLUMNS));

/** What a delivery wants a sheet to hold about one response. */
export interface ResponseRow {
  readonly responseId: string;
  readonly revision: number | null;
  /** The event says that no earlier one wrote a row: nothing need be looked for. */
  readonly isNew: boolean;
  readonly isDeleted: boolean;
  /** Column title → answer, in the form's order; the fixed columns first. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** What a delivery's row holds. A deleted response keeps its id, revision and status, and nothing it said. */
export function responseRow(
  responseId: string,
  { event, data }: Pick<Delivery, "event" | "data">,
  columns: SheetsSettings["columns"],
): ResponseRow {
  const isDeleted = event.type === "onResponseDelete";
  const row = { responseId, revision: event.revision, isNew: event.type === "onResponse", isDeleted };
  const values = new Map<string, unknown>([
    [FIXED_COLUMNS.id, responseId],
    [FIXED_COLUMNS.submitted, isDeleted ? null : event.time],
    [FIXED_COLUMNS.collector, isDeleted ? null : data.collector],
    [FIXED_COLUMNS.form, event.formId],
    [FIXED_COLUMNS.revision, event.revision],
    [FIXED_COLUMNS.status, isDeleted ? "deleted" : null],
  ]);
  if (isDeleted) return { ...row, values };
  const answers = (data.answers ?? {}) as Readonly<Record<string, unknown>>;
  const wanted =
    columns?.map(({ answer, title }) => [title ?? answer, Object.hasOwn(answers, answer) ? answers[answer] : null]) ??
    Object.entries(answers);
  for (const [title, answer] of wanted) values.set(answerTitle(String(title)), answer);
  return { ...row, values };
}

/** A question named like a fixed column gets a column of its own; blank ids too. Google trims nothing, people do. */
function answerTitle(title: string): string {
  const trimmed = title.trim();
  if (trimmed === "") return "(unnamed)";
  return FIXED_TITLES.has(trimmed) ? `${trimmed} (answer)` : trimmed;
}
