import { Failure, formIdSchema, RECORD_BYTES_MAX, teamIdSchema } from "@plugboard/contract";
import { z } from "zod";

/** Questions of one form; real questionnaires reach a thousand. */
const QUESTIONS_MAX = 5_000;

/** Postgres keeps neither NUL nor half a surrogate pair in text. */
export const storable = <T extends z.ZodType<string>>(schema: T) =>
  schema
    .refine((value) => !value.includes("\0"), "must not contain a NUL character")
    .refine((value) => value.isWellFormed(), "must not contain half of a surrogate pair");

const text = (max: number) => storable(z.string().min(1).max(max));

const questionSchema = z.strictObject({
  /** Also a key of the answers, where `__proto__` would not be one. */
  id: text(256).refine((value) => value !== "__proto__", "is a reserved name"),
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
export const idSchema = storable(formIdSchema);

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

/**
 * The value of a form's event.
 * @throws Failure `too-large`: a record above the limit could never be emitted and would hold up those behind it.
 */
export function formEventData(id: string, { title, questions }: FormBody): string {
  const data = JSON.stringify({ form: { id, title, questions } });
  const bytes = Buffer.byteLength(data);
  if (bytes > RECORD_BYTES_MAX)
    throw new Failure("too-large", `the form has ${bytes} bytes, the limit is ${RECORD_BYTES_MAX}`);
  return data;
}

/** A form without its questions. */
export interface FormSummary {
  readonly id: string;
  readonly team: string;
  readonly title: string;
  readonly questions: number;
  readonly responses: number;
}
