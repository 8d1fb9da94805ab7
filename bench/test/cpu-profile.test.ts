import { expect, test } from "@jest/globals";
import { selfTimes } from "../src/cpu-profile.ts";

const frame = (functionName: string, url = "file:///a.js", lineNumber = 9) => ({ functionName, url, lineNumber });

test("self times are summed per function, whatever called it, and idle time is left out", () => {
  const times = selfTimes({
    nodes: [
      { id: 1, callFrame: frame("(idle)", "", -1) },
      { id: 2, callFrame: frame("parse") },
      { id: 3, callFrame: frame("parse") },
      { id: 4, callFrame: frame("", "", -1) },
    ],
    samples: [1, 2, 3, 4, 2],
    timeDeltas: [9_000, 1_000, 2_000, 500, 1_000],
  });
  expect(times).toEqual([
    { name: "parse", place: "file:///a.js:10", ms: 4 },
    { name: "(anonymous)", place: "", ms: 0.5 },
  ]);
});
