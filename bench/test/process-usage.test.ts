import { expect, test } from "@jest/globals";
import { ProcessUsage, usedAt } from "../src/process-usage.ts";

test("usage between two samples is taken as even", () => {
  const samples = [
    { atMs: 100, cpuSeconds: 1 },
    { atMs: 200, cpuSeconds: 3 },
  ];
  expect(usedAt(samples, 150)).toBe(2);
  expect(usedAt(samples, 50)).toBe(1);
  expect(usedAt(samples, 500)).toBe(3);
  expect(usedAt([], 0)).toBe(0);
});

test("a process that works is seen to work, and to hold memory", () => {
  const usage = new ProcessUsage([process.pid]);
  const fromMs = Date.now();
  const began = process.cpuUsage();
  while (process.cpuUsage(began).user < 150_000);
  usage.stop();
  expect(usage.cpuSeconds({ fromMs, toMs: Date.now() })).toBeGreaterThan(0.05);
  expect(usage.rssBytesMax).toBeGreaterThan(10_000_000);
  const mean = usage.rssBytesMean({ fromMs: 0, toMs: Date.now() });
  expect(mean).toBeGreaterThan(10_000_000);
  expect(mean).toBeLessThanOrEqual(usage.rssBytesMax);
  expect(() => usage.rssBytesMean({ fromMs: 0, toMs: 1 })).toThrow();
});
