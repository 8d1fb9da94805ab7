import { describe, expect, test } from "@jest/globals";
import { readAnswer } from "../../src/adapters/produce-answer.ts";

const NOT_ENOUGH_REPLICAS = 19;

/** The answer to a produce request with one partition in it. */
function answer(errorMessage: string | null) {
  const partition = {
    index: 0,
    errorCode: NOT_ENOUGH_REPLICAS,
    baseOffset: -1n,
    logAppendTimeMs: -1n,
    logStartOffset: -1n,
    recordErrors: [],
    errorMessage,
  };
  return readAnswer(
    { responses: [{ name: "plugin.sheets", partitionResponses: [partition] }], throttleTimeMs: 0 },
    "plugin.sheets",
    0,
  );
}

describe("a broker that cannot ask the coordinator of a transaction", () => {
  test("has not refused on the topic's behalf, though it says NOT_ENOUGH_REPLICAS", () => {
    const why = "Unable to verify the partition has been added to the transaction. Underlying error: NOT_COORDINATOR";
    expect(answer(why)).toEqual({ kind: "unknown", error: new Error(why) });
  });

  test("is told from a partition that lacks replicas", () => {
    const refused = { kind: "refused", code: NOT_ENOUGH_REPLICAS, why: "NOT_ENOUGH_REPLICAS" };
    expect(answer(null)).toEqual(refused);
  });
});
