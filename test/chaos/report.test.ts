import { expect, test } from "@jest/globals";
import { violations } from "./report.ts";

test("whatever must not be fails a run", () => {
  const wrong = {
    findings: {
      neverStored: ["1"],
      lost: ["2"],
      notReturned: ["3"],
      backlog: ["4"],
      misrouted: ["5"],
      wrongLane: ["6"],
      wrongIdentity: ["7"],
      orderBreaks: ["8"],
      unexplainedDuplicates: ["9"],
      repeatedTooMuch: ["10"],
      deadLetterErrors: ["11"],
      overtakenByRule: 1,
      duplicates: 1,
      repeatedBytesMax: 1,
    },
    effects: { effects: 1, deadLetters: 1, withoutEffect: ["12"], backlog: ["13"], unexpectedDeadLetters: ["14"] },
    stuck: ["15"],
  };
  const found = [...violations(wrong).values()].flat();
  expect(found.toSorted()).toEqual(Array.from({ length: 15 }, (_, index) => String(index + 1)).toSorted());
});
