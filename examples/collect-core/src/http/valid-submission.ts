import { Failure, type ProblemItem } from "@plugboard/contract";
import { problemsOf } from "@plugboard/runtime";
import type { z } from "zod";
import type { Form } from "../domain/form.ts";
import { answerProblems } from "../domain/submission.ts";

/** Problems told at once; a thousand wrong answers need no thousand lines. */
const PROBLEMS_MAX = 100;

/**
 * Checks a submission's shape and its answers in one go, so that a client sees everything that is wrong.
 * @throws Failure with every problem (the first 100) and its JSON pointer.
 */
export function validSubmission<T extends z.ZodType>(schema: T, form: Form, body: unknown): z.output<T> {
  const result = schema.safeParse(body ?? {});
  const problems: ProblemItem[] = result.success ? [] : problemsOf(result.error.issues);
  const answers = (body as { answers?: unknown } | null | undefined)?.answers;
  if (typeof answers === "object" && answers !== null && !Array.isArray(answers)) {
    problems.push(...answerProblems(form, answers as Record<string, unknown>));
  }
  if (result.success && problems.length === 0) return result.data;
  const count = `${problems.length} problem${problems.length === 1 ? "" : "s"}`;
  throw new Failure("invalid-input", `body: ${count}`, { problems: problems.slice(0, PROBLEMS_MAX) });
}
