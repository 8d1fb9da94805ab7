import { expect, test } from "@jest/globals";
import { orderOf, ratioOf, spreadOf } from "../src/summary.ts";

test("a spread is the median and the range", () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, count: 3 });
  expect(spreadOf([4, 2])).toEqual({ median: 3, min: 2, max: 4, count: 2 });
  expect(spreadOf([])).toBeUndefined();
});

test("every second repeat runs backwards", () => {
  expect(orderOf(["a", "b", "c"], 0)).toEqual(["a", "b", "c"]);
  expect(orderOf(["a", "b", "c"], 1)).toEqual(["c", "b", "a"]);
  expect(orderOf(["a", "b", "c"], 2)).toEqual(["a", "b", "c"]);
});

test("a ratio compares medians, and there is none without both", () => {
  expect(ratioOf(spreadOf([200, 220, 210]), spreadOf([100, 105, 110]))).toBe(2);
  expect(ratioOf(spreadOf([1]), undefined)).toBeUndefined();
  expect(ratioOf(spreadOf([1]), spreadOf([0]))).toBeUndefined();
});
