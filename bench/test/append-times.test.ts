import { expect, test } from "@jest/globals";
import { AppendTimes } from "../src/append-times.ts";

test("the steady rate leaves out a slow start and a slow end", () => {
  const times = new AppendTimes();
  for (let ms = 0; ms < 1_000; ms += 10) times.add(ms);
  for (let ms = 1_000; ms < 2_000; ms++) for (let copy = 0; copy < 10; copy++) times.add(ms);
  for (let ms = 2_000; ms < 4_000; ms += 10) times.add(ms);
  expect(times.steady()?.copiesPerSecond).toBeCloseTo(10_000, -1);
  expect(times.whole()).toEqual({ fromMs: 0, toMs: 3_990 });
});

test("an even run has the same rate as a whole, whatever the order it is read in", () => {
  const times = new AppendTimes();
  for (let ms = 999; ms >= 0; ms--) for (let copy = 0; copy < 7; copy++) times.add(ms);
  expect(times.steady()?.copiesPerSecond).toBeCloseTo(7_000, 0);
});

test("nothing, and copies of a single moment, have no rate", () => {
  const times = new AppendTimes();
  expect(times.whole()).toBeUndefined();
  expect(times.steady()).toBeUndefined();
  times.add(5);
  times.add(5);
  expect(times.steady()).toBeUndefined();
});
