import { expect, test } from "@jest/globals";
import { chooseLane } from "../../src/domain/choose-lane.ts";

const plugin = { priorityEvents: ["onAlert"] };

test.each([
  ["an ordinary event", "onResponse", null, "live"],
  ["an event of the plugin's urgent ones", "onAlert", null, "priority"],
  ["an event that says it is urgent", "onResponse", "urgent", "priority"],
  ["history", "onResponse", "bulk", "bulk"],
  ["history of an urgent event", "onAlert", "bulk", "bulk"],
] as const)("%s takes the right lane", (_, type, priority, lane) => {
  expect(chooseLane({ type, priority }, plugin)).toBe(lane);
});
