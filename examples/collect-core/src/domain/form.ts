import { formIdSchema, teamIdSchema } from "@plugboard/contract";
import { z } from "zod";

/** Questions of one form; real questionnaires reach a thousand. */
const QUESTIONS_MAX = 5_000;

/** Postgres keeps no NUL in text. */
const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !value.includes("\0"), "must not contain a NUL character");

const questionSchema = z.strictObject({
  id: text(256),
  text: text(2_000).optional(),
  /** What an answer must be; anything when absent. An unanswered question is null or left out. */
  type: z.enum(["text", "number", "boolean", "choice"]).optional(),
  /** The answers of a `choice`. */
  options: z.array(text(500)).min(1).max(1_000).optional(),
  required: z.boolean().optional(),
});
export type Question = z.output<typeof questionSchema>;

const questions = z
  .array(questionSchema)
  .min(1)
  .max(QUESTIONS_MAX)
  .superRefine((list, context) => {
    const seen = new Set<string>();
    for (const [index, question] of list.entries()) {
      if (seen.has(question.id)) {
        context.addIssue({ code: "custom", path: [index, "id"], message: "is the id of an earlier question" });
      }
      seen.add(question.id);
      if (question.type === "choice" && question.options === undefined) {
        context.addIssue({ code: "custom", path: [index, "options"], message: "a choice needs its options" });
      }
    }
  });

/** `PUT /forms/:id`. */
export const formBodySchema = z.strictObject({ team: teamIdSchema, title: text(300), questions });
export type FormBody = z.output<typeof formBodySchema>;

/** A form's id, as it stands in a path and in events. */
export const idSchema = formIdSchema.refine((value) => !value.includes("\0"), "must not contain a NUL character");

/** `POST /forms`: as above, with an id if the client wants to choose it. */
export const newFormSchema = formBodySchema.extend({ id: idSchema.optional() });

export interface Form extends FormBody {
  readonly id: string;
  /** Grows with every change. */
  readonly version: number;
  readonly questionsById: ReadonlyMap<string, Question>;
  /** Ids of the questions that must be answered. */
  readonly required: readonly string[];
}

/** A form as it is kept in memory: with what every submission asks of it worked out once. */
export function loadedForm(id: string, version: number, body: FormBody): Form {
  const questionsById = new Map(body.questions.map((question) => [question.id, question]));
  const required = body.questions.filter((question) => question.required === true).map((question) => question.id);
  return { id, version, ...body, questionsById, required };
}

/** A form without its questions. */
export interface FormSummary {
  readonly id: string;
  readonly team: string;
  readonly title: string;
  readonly questions: number;
  readonly responses: number;
}
