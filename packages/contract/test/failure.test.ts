import { expect, test } from "@jest/globals";
import { FAILURES, Failure, type FailureCode, problemDocument } from "../src/index.ts";

test("a problem document tells the code, what is wrong here, what to do, and every problem", () => {
  const problems = [{ path: "/answers/age", message: "must be a number" }];
  const document = problemDocument(new Failure("invalid-input", "body: 1 problem", { problems }), "abc");
  expect(document).toEqual({
    type: "urn:plugboard:error:invalid-input",
    title: FAILURES["invalid-input"].title,
    status: 400,
    code: "invalid-input",
    detail: "body: 1 problem",
    next: FAILURES["invalid-input"].next,
    instance: "urn:request:abc",
    problems,
  });
});

test("every code has a status of HTTP, a meaning and a next step that are sentences", () => {
  for (const code of Object.keys(FAILURES) as FailureCode[]) {
    const { status, title, next } = FAILURES[code];
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).toMatch(/^[A-Z]/);
    expect(next).toMatch(/\.$/);
  }
});
