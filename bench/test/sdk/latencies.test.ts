import { expect, test } from "@jest/globals";
import { latenciesOf } from "../../src/sdk/latencies.ts";

const span = { from: 2, to: 6, intendedAtMs: (serial: number) => serial * 100 };

test("a latency counts from when its event was meant to be sent, of those that are measured and have arrived", () => {
  const arrivals = Float64Array.of(9_000, 9_000, 210, 9_000, 450, Number.NaN, 9_000);
  // Serials 2, 4 and 5 are measured; 5 has not arrived.
  expect(latenciesOf(span, arrivals, (serial) => serial !== 3)).toEqual({
    measured: 2,
    p50Ms: 30,
    p99Ms: 49.6,
    maxMs: 50,
  });
});

test("there is no latency of nothing", () => {
  expect(() => latenciesOf(span, new Float64Array(10).fill(Number.NaN), () => true)).toThrow("nothing has arrived");
});
