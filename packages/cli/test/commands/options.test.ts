import { describe, expect, test } from "@jest/globals";
import { narrowing } from "../../src/commands/enable.ts";
import { requestOf } from "../../src/commands/try.ts";
import { CommandFailed, EXIT } from "../../src/exit-code.ts";
import { failureText } from "../../src/failure-text.ts";
import { collectAssignment, commaSeparated, wholeNumber } from "../../src/json-input.ts";
import { cell, table } from "../../src/output.ts";

describe("what is typed", () => {
  test("key=value takes JSON where it is some, and text otherwise", () => {
    const typed = ["a=1", "b=true", "c=some text", "d=[1]", "e=x=y", "f="];
    expect(typed.reduce((before, next) => collectAssignment(next, before), {})).toEqual({
      a: 1,
      b: true,
      c: "some text",
      d: [1],
      e: "x=y",
      f: "",
    });
    for (const wrong of ["a", "=1"]) expect(() => collectAssignment(wrong)).toThrow("key=value");
  });

  test("lists and numbers are checked", () => {
    expect(commaSeparated("a, b")).toEqual(["a", "b"]);
    expect(() => commaSeparated("a,,b")).toThrow("without empty items");
    expect(wholeNumber(1, 5)("5")).toBe(5);
    for (const wrong of ["0", "6", "1.5", "x", "-1"]) expect(() => wholeNumber(1, 5)(wrong)).toThrow("from 1 to 5");
  });

  test("what narrows: said, cleared, or left as it is", () => {
    expect(narrowing({})).toEqual({});
    expect(narrowing({ forms: false, filter: false })).toEqual({ forms: null, filter: null });
    expect(narrowing({ forms: ["a"], filter: "true", mode: "both", onFailure: "closed" })).toEqual({
      forms: ["a"],
      filter: "true",
      mode: "both",
      onFailure: "closed",
    });
  });

  test("a printed record is tried as a record, anything else as an event", () => {
    const printed = { topic: "responses", partition: 0, offset: "7", headers: { ce_id: "1" }, value: { a: 1 } };
    expect(requestOf(printed, { path: "async" })).toEqual({
      record: { headers: { ce_id: "1" }, value: { a: 1 } },
      path: "async",
    });
    expect(requestOf({ id: "1" }, { path: "sync", filter: "true", enabled: true })).toEqual({
      event: { id: "1" },
      draft: { filter: "true", enabled: true },
      path: "sync",
    });
  });
});

describe("what is told", () => {
  test("a refusal with its code, every problem and the next step, on lines of their own", () => {
    const problems = [
      { path: "/filter", message: "wrong\u001b[2J" },
      { path: "", message: "too much" },
    ];
    const problem = {
      type: "t",
      title: "Not valid",
      status: 400,
      code: "invalid-input",
      detail: "body: 2",
      next: "Correct it.",
      problems,
    } as const;
    expect(failureText(new CommandFailed(EXIT.failed, "body: 2", problem)).split("\n")).toEqual([
      "plugboard: Not valid (invalid-input): body: 2",
      "  /filter: wrong [2J",
      "  the whole: too much",
      "  next: Correct it.",
    ]);
    expect(failureText(new CommandFailed(EXIT.unreachable, "nobody there"))).toBe("plugboard: nobody there");
  });

  test("columns without borders, colours or others' control characters", () => {
    expect(
      table(
        ["A", "B"],
        [
          ["one", cell("good", "two")],
          ["a\u001b]0;x\u0007b", ""],
        ],
      ),
    ).toBe("A         B\none       two\na ]0;x b");
  });
});
