import { describe, expect, test } from "@jest/globals";
import { closingLine } from "../src/test-counts.ts";

describe("the line a test run ends with", () => {
  const counts = (passed: number, failed: number, unrunnable: number) => ({
    numPassedTests: passed,
    numFailedTests: failed,
    numRuntimeErrorTestSuites: unrunnable,
  });

  test("counts tests", () => {
    expect(closingLine(counts(3, 0, 0))).toEqual({ line: "3 passed, 0 failed", failed: false });
    expect(closingLine(counts(3, 2, 0))).toEqual({ line: "3 passed, 2 failed", failed: true });
  });

  test("counts a file that could not be run as a failure", () => {
    expect(closingLine(counts(3, 0, 1))).toEqual({ line: "3 passed, 1 failed", failed: true });
  });

  test("fails when no test was executed", () => {
    expect(closingLine(counts(0, 0, 0))).toEqual({ line: "0 passed, 0 failed", failed: true });
  });

  test("fails when jest left no results", () => {
    expect(closingLine(undefined)).toEqual({ line: "0 passed, 1 failed", failed: true });
  });
});
