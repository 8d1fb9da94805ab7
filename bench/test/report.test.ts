import { expect, test } from "@jest/globals";
import { chartOf } from "../src/chart.ts";
import { withResults } from "../src/report.ts";
import { type Result, resultSchema } from "../src/result.ts";

const clean = { copies: 20, expected: 20, missing: 0, duplicate: 0, misrouted: 0, changed: 0, orderBreaks: 0 };
const run = (peer: string, recordsPerSecond: number, missing = 0) => ({
  peer,
  routers: 1,
  recordsPerSecond,
  wholeRecordsPerSecond: recordsPerSecond,
  measuredBy: "appends",
  steadySeconds: 10,
  routerCores: 1,
  brokerCores: 0.5,
  recordsPerCoreSecond: recordsPerSecond,
  rssBytesMax: 1e8,
  verdict: { ...clean, missing },
  valid: missing === 0,
});
const workload = {
  seed: 1,
  records: 10,
  teams: 1,
  active: 1,
  plugins: 20,
  fanout: 2,
  size: 490,
  envelope: "flat",
  key: "response",
};
const result: Result = resultSchema.parse({
  kind: "throughput",
  name: "throughput",
  command: "npm run bench -- throughput",
  at: "2026-11-21T00:00:00.000Z",
  commit: "abc",
  machine: { cpu: "a cpu", cores: 2, memoryBytes: 2 ** 34, node: "v24", disk: "tmpfs" },
  sets: [
    {
      label: "a workload",
      workload,
      runs: [
        run("streams", 50_000),
        run("plugboard", 120_000),
        run("plugboard", 100_000),
        run("plugboard", 900_000, 7),
      ],
    },
  ],
});
const document =
  "# Title\n<!-- results:throughput -->\nold\n<!-- end -->\nprose\n<!-- results:latency -->\n<!-- end -->\n";

test("results stand between their markers, the prose stays, and what was not measured says so", () => {
  const written = withResults(document, [result]);
  expect(written).toContain("110,000 (100,000–120,000)");
  expect(written).toContain("prose");
  expect(written).not.toContain("old");
  expect(written).toContain("Not measured yet.");
  expect(withResults(written, [result])).toBe(written);
});

test("a run with faults gives no rate, and its faults are seen", () => {
  const line = withResults(document, [result])
    .split("\n")
    .find((row) => row.startsWith("| Plugboard |"));
  expect(line).toContain("| 2.20 |");
  expect(line).toContain("| 7 |");
  expect(line).toContain("3, 1 INVALID");
});

test("a result without a place in the document is refused", () => {
  expect(() => withResults("# Title\n", [result])).toThrow("throughput");
});

test("a chart is an SVG document with each router's bar", () => {
  const svg = chartOf(result);
  expect(svg).toMatch(/^<svg /);
  expect(svg).toContain("Kafka Streams");
  expect(svg).toContain("110000");
});
