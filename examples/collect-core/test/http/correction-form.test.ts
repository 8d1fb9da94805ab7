import { describe, expect, test } from "@jest/globals";
import { formBodySchema, loadedForm } from "../../src/domain/form.ts";
import { correctedAnswers, questionRows } from "../../src/http/correction-form.ts";

const body = formBodySchema.parse({
  team: "team-1",
  title: "t",
  questions: [{ id: "n", type: "number" }, { id: "free" }, { id: "flag", type: "boolean" }, { id: "list" }],
});
const form = loadedForm("f", 1, body);

describe("correctedAnswers", () => {
  const answers = { n: 5, free: 7, flag: true, list: [1, 2] };

  test("keeps what was not changed, with its type, and reads the revision", () => {
    const fields = { revision: "3", "answer:n": "5", "answer:list": "[1,2]", "answer:flag": "true" };
    expect(correctedAnswers(form, answers, fields)).toEqual({ answers, revision: 3 });
  });

  test("gives changed answers the type of their question, or of what was there before", () => {
    const fields = { "answer:n": "6.5", "answer:free": "8", "answer:flag": "false" };
    expect(correctedAnswers(form, answers, fields)).toEqual({
      answers: { n: 6.5, free: 8, flag: false, list: [1, 2] },
    });
  });

  test("leaves text that is no number as text, for the check to refuse, and empties what is emptied", () => {
    const fields = { "answer:n": "many", "answer:free": " ", other: "x", revision: "x" };
    expect(correctedAnswers(form, answers, fields)).toEqual({ answers: { ...answers, n: "many", free: null } });
  });
});

test("the questions that flags name come first, with what is wrong", () => {
  const flag = { plugin: "validator", rule: "r", revision: 1, state: "open" as const, at: "" };
  const { inputs, others } = questionRows(form, { n: 5 }, [{ ...flag, message: "too many", fields: ["free", "gone"] }]);
  expect(inputs.map(({ id, messages }) => [id, messages])).toEqual([["free", ["too many"]]]);
  expect(others.map(({ id }) => id)).toEqual(["n", "flag", "list"]);
});

test("a question called like what every object inherits is not answered by it", () => {
  const odd = loadedForm(
    "f",
    1,
    formBodySchema.parse({ team: "team-1", title: "t", questions: [{ id: "constructor" }] }),
  );
  expect(questionRows(odd, {}, []).inputs.map(({ value }) => value)).toEqual([""]);
  expect(correctedAnswers(odd, {}, { "answer:constructor": "", "answer:__proto__": "x" })).toEqual({ answers: {} });
});
