import { expect, test } from "@jest/globals";
import { mergeHealth } from "../../src/threads/merge-status.ts";

const well = { name: "partitions", critical: true, problem: null };
const ill = { name: "partitions", critical: true, problem: "none is read" };

test("a check passes when it does in every thread", () => {
  const ready = { ready: true, checks: [well] };
  expect(mergeHealth([ready, ready])).toEqual({ ready: true, checks: [well] });
  expect(mergeHealth([ready, { ready: false, checks: [ill] }])).toEqual({
    ready: false,
    checks: [{ ...ill, problem: "thread 1: none is read" }],
  });
});
