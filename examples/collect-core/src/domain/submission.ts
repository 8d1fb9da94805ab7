import { Failure, type ProblemItem, RECORD_BYTES_MAX } from "@plugboard/contract";
import { z } from "zod";
import { type Form, type Question, storable } from "./form.ts";

/** Levels of nesting in one answer: the manager and plugins take somewhat more, around a whole event. */
const ANSWER_DEPTH_MAX = 32;

/** Who collected a response: a name or an id of the client's own. */
export const collectorSchema = storable(z.string().min(1).max(200));

/** An object, looked at as a whole: answerProblems looks at a thousand answers one by one, and once is enough. */
const answers = z.custom<Record<string, unknown>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be an object of question id and answer",
);

/** `POST /forms/:id/submit`. */
export const submissionSchema = z.strictObject({
  answers,
  collector: collectorSchema.nullable().default(null),
});
export type Submission = z.output<typeof submissionSchema>;

/** `PUT /responses/:id`; `revision` is the one that was read: another one meanwhile is a conflict. */
export const correctionSchema = submissionSchema.extend({
  collector: collectorSchema.nullable().optional(),
  revision: z.int().positive().optional(),
});

export type Correction = z.output<typeof correctionSchema>;

/** An idempotency key, as clients choose it. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, "must be 1 to 255 visible ASCII characters");

/** Everything wrong with the answers to a form, with JSON pointers into the submission. */
export function answerProblems(form: Form, answers: Submission["answers"]): ProblemItem[] {
  const problems: ProblemItem[] = [];
  for (const id of Object.keys(answers)) {
    const question = form.questionsById.get(id);
    const message = question === undefined ? "the form has no such question" : answerProblem(question, answers[id]);
    if (message !== null) problems.push({ path: `/answers/${escapePointer(id)}`, message });
  }
  for (const id of form.required) {
    if (!Object.hasOwn(answers, id) || isUnanswered(answers[id])) {
      problems.push({ path: `/answers/${escapePointer(id)}`, message: "is required" });
    }
  }
  return problems;
}

/**
 * The value of a response's event, as text: what is stored is what is emitted.
 * @throws Failure `too-large`: a record above the limit could never be emitted and would hold up those behind it.
 */
export function eventData(answers: Submission["answers"], collector: string | null): string {
  const data = JSON.stringify({ answers, collector });
  const bytes = Buffer.byteLength(data);
  if (bytes > RECORD_BYTES_MAX) {
    throw new Failure("too-large", `the response has ${bytes} bytes, the limit is ${RECORD_BYTES_MAX}`);
  }
  return data;
}

function answerProblem(question: Question, value: unknown): string | null {
  if (isUnanswered(value)) return null;
  switch (question.type) {
    case undefined:
      return freeAnswerProblem(value);
    case "text":
      return typeof value === "string" ? null : "must be text";
    case "number":
      return typeof value === "number" ? freeAnswerProblem(value) : "must be a number";
    case "boolean":
      return typeof value === "boolean" ? null : "must be true or false";
    case "choice":
      return typeof value === "string" && question.options?.includes(value) ? null : "is none of the options";
    default:
      return question.type satisfies never;
  }
}

/** What no answer may be, whatever the question: JSON that would not come out again as it went in, or without end. */
function freeAnswerProblem(value: unknown, depth = 0): string | null {
  if (typeof value === "number" && !Number.isFinite(value)) return "holds a number out of range";
  if (typeof value !== "object" || value === null) return null;
  if (depth >= ANSWER_DEPTH_MAX) return `is nested deeper than ${ANSWER_DEPTH_MAX} levels`;
  if (Object.hasOwn(value, "__proto__")) return 'holds the reserved name "__proto__"';
  for (const child of Object.values(value)) {
    const problem = freeAnswerProblem(child, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

function isUnanswered(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}
