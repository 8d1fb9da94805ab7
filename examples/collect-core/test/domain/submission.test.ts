import { describe, expect, test } from "@jest/globals";
import { decodeEvent, Failure } from "@plugboard/contract";
import fc from "fast-check";
import { type Form, formBodySchema, loadedForm } from "../../src/domain/form.ts";
import { eventRecord } from "../../src/domain/outbox-event.ts";
import { answerProblems, eventData } from "../../src/domain/submission.ts";

function formOf(questions: object[]): Form {
  return loadedForm("f", 1, formBodySchema.parse({ team: "team-1", title: "t", questions }));
}

describe("answerProblems", () => {
  const form = formOf([
    { id: "n", type: "number" },
    { id: "b", type: "boolean" },
    { id: "t", type: "text" },
    { id: "c", type: "choice", options: ["x", "y"] },
    { id: "any", required: true },
  ]);

  test("finds nothing wrong with good answers and with unanswered questions", () => {
    expect(answerProblems(form, { n: 1.5, b: false, t: "a", c: "y", any: [1] })).toEqual([]);
    expect(answerProblems(form, { n: null, b: "", any: 0 })).toEqual([]);
  });

  test("lists every problem with its JSON pointer", () => {
    expect(answerProblems(form, { n: "1", b: "yes", t: 1, c: "z", "a/b~c": 1 })).toEqual([
      { path: "/answers/n", message: "must be a number" },
      { path: "/answers/b", message: "must be true or false" },
      { path: "/answers/t", message: "must be text" },
      { path: "/answers/c", message: "is none of the options" },
      { path: "/answers/a~1b~0c", message: "the form has no such question" },
      { path: "/answers/any", message: "is required" },
    ]);
  });
});

describe("an answer that could not come out as it went in", () => {
  const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);
  const form = formOf([{ id: "n", type: "number" }, { id: "any" }]);

  test.each<[string, object]>([
    ["a number out of range", { n: JSON.parse("1e999") }],
    ["a number out of range within", { any: [{ a: JSON.parse("-1e999") }] }],
    ["levels without end", { any: nested(200_000) }],
    ["one level too many", { any: nested(33) }],
    ["a reserved name", { any: JSON.parse('{"__proto__":1}') }],
  ])("is refused: %s", (_what, answers) => {
    expect(answerProblems(form, { ...answers })).toHaveLength(1);
  });

  test("is not one of 32 levels", () => {
    expect(answerProblems(form, { any: nested(32) })).toEqual([]);
  });
});

test("a required question is not answered by what every object inherits", () => {
  const form = formOf([{ id: "constructor", required: true }]);
  expect(answerProblems(form, {})).toEqual([{ path: "/answers/constructor", message: "is required" }]);
});

describe("an event", () => {
  const base = { seq: "1", team: "team-1", formId: "form-1", at: "2026-01-02T03:04:05.000Z" };

  test("reads back from its record as it was written, whatever the answers", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (answers, collector) => {
        const data = eventData(answers, collector);
        const { key, value, headers } = eventRecord({
          ...base,
          type: "onResponseUpdate",
          responseId: "r1",
          revision: 7,
          data,
        });
        const event = decodeEvent((name) => headers[name], Buffer.from(value), "other");
        if (event.kind !== "event") throw new Error(event.problems.join());
        expect(key).toBe("r1");
        expect(event.envelope).toBe("binary");
        expect(event.attributes).toEqual({
          id: "r1.7",
          source: "collect-core",
          type: "onResponseUpdate",
          teamId: "team-1",
          formId: "form-1",
          responseId: "r1",
          revision: 7,
          time: base.at,
          priority: null,
        });
        expect(event.data()).toEqual(JSON.parse(JSON.stringify({ answers, collector })));
      }),
    );
  });

  test("of a form is keyed by the form and names no response", () => {
    const event = { ...base, type: "onFormCreation" as const, responseId: null, revision: null, data: "{}" };
    const { key, headers } = eventRecord(event);
    expect(key).toBe("form-1");
    expect(headers).not.toHaveProperty("ce_subject");
    expect(headers).not.toHaveProperty("ce_revision");
  });

  test("too large for Kafka is refused before it is stored", () => {
    const refused = () => eventData({ a: "x".repeat(1024 * 1024) }, null);
    expect(refused).toThrow(Failure);
    expect(refused).toThrow(/the limit is 1048576/);
  });
});
