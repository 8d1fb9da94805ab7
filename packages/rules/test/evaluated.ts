import type { EventAttributes } from "@plugboard/contract";
import { compileExpression, type Evaluation, type Expression, variablesOf } from "../src/index.ts";

export const EVENT: EventAttributes = {
  id: "1",
  source: "core",
  type: "onResponse",
  teamId: "team-a",
  formId: "census",
  responseId: "r-1",
  revision: 2,
  time: null,
  priority: null,
};

export function compiled(text: string): Expression {
  const result = compileExpression(text);
  if (!result.ok) throw new Error(`${text}: ${result.problem.message}`);
  return result.expression;
}

export function evaluated(text: string, data: object): Evaluation {
  return compiled(text).evaluate(variablesOf(EVENT, data));
}

/** Of a response with these answers: true, false, or the reason why neither. */
export function said(text: string, answers: unknown): boolean | string {
  const evaluation = evaluated(text, { answers, collector: "amina" });
  return evaluation.kind === "value" ? evaluation.value : evaluation.reason;
}
